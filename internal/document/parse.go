package document

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Parse reads a document in one pass. It is strict about JSON and about
// "versions", and tolerates anything else: an entry of any shape is kept
// unchanged. Raw values alias data.
func Parse(data []byte) (*Document, error) {
	if sizes := readSizes(data); sizes != nil {
		intact := make(chan bool, 1)
		go func() { intact <- sealed(data) }()
		d, err := parse(data, sizes)
		if <-intact && err == nil {
			return d, nil
		}
	}
	return ParsePlainly(data)
}

// ParsePlainly is Parse that does not rely on what our key says about entries.
func ParsePlainly(data []byte) (*Document, error) {
	if !utf8.Valid(data) {
		return nil, notUTF8(data)
	}
	return parse(data, nil)
}

// parse reads a document. If sizes is not nil, it relies on them, and takes the
// checksum for right.
func parse(data, sizes []byte) (*Document, error) {
	p := &parser{data: data, d: &Document{Bytes: data}, sizes: sizes}
	if err := pyjson.Walk(data, p.top); err != nil {
		return nil, err
	}
	if len(p.sizes) > 0 {
		return nil, errSizes
	}
	if p.fault != nil {
		return nil, p.fault
	}
	d := p.d
	if !p.versions { // an empty document instead would remove every version
		return nil, &pyjson.SyntaxError{Offset: int64(len(data)), Reason: `there is no "versions"`}
	}
	p.match()
	if d.Mark != nil && (!p.markLast || string(bytes.TrimSpace(data[p.markEnd:])) != "}") {
		d.Intact = false // another program added something after our key
	}
	return d, nil
}

type parser struct {
	data     []byte
	d        *Document
	sizes    []byte          // of the entries to come, if they are known
	versions bool            // the document has "versions"
	fault    error           // "versions" is not an object
	names    strings.Builder // of the entries; see text
	last     Release         // of the last entry, while versions ascend
	index    map[string]int  // where in Entries a version is; made when versions do not ascend
	extras   []span          // the members of "versions" in our key
	markLast bool            // our key is the last one
	markEnd  int
}

// A span is a member of an object, as offsets.
type span struct{ key, keyEnd, value, end int }

// An entrySpan is a member whose value may be an entry. stage is where its
// stage is, if it has one.
type entrySpan struct {
	span
	stage, stageEnd int
	known           []byte // its raw stage, if that is known without a scan
}

func (p *parser) name(start, end int) []byte { return pyjson.Text(p.data[start:end]) }

func (p *parser) top(start, end, at int) (stop int, err error) {
	p.markLast = false
	switch string(p.name(start, end)) {
	case "versions":
		if !p.versions {
			p.d.Head = append(p.d.Head, pyjson.Member{Key: "versions", Raw: p.data[start:end:end]})
		}
		p.versions = true
		return p.entries(at)
	case Key:
		p.markLast = true
		p.markEnd, err = p.mark(at)
		return p.markEnd, err
	}
	if stop, err = pyjson.Skip(p.data, at, 1); err == nil {
		p.d.Head = append(p.d.Head, pyjson.Member{Key: string(p.name(start, end)), Raw: p.data[start:end:end],
			Value: p.data[at:stop:stop], Start: start, At: at})
	}
	return stop, err
}

func (p *parser) isObject(at int) bool { return at < len(p.data) && p.data[at] == '{' }

// An entry in our layout takes some 800 bytes, with what our key says about it.
// Dividing by a little less makes the list a little too long.
const typicalEntry = 768

// entries reads the versions. If a key occurs twice, the last value counts, in
// the place of the first.
func (p *parser) entries(at int) (stop int, err error) {
	d := p.d
	d.Entries, p.index, p.last = nil, nil, Release{}
	if !p.isObject(at) {
		stop, err = pyjson.Skip(p.data, at, 1)
		if err == nil && string(p.data[at:stop]) != "null" {
			p.fault = &pyjson.SyntaxError{Offset: int64(at), Reason: `"versions" is not an object`}
		}
		return stop, err
	}
	room := (len(p.data)-at)/typicalEntry + 1
	d.Entries = make([]Entry, 0, room)
	next := p.plainMember(2)
	if p.sizes != nil {
		next = p.sizedEntry
	}
	return p.members(at, 1, next, func(m entrySpan) {
		e := Entry{Version: p.text(p.name(m.key, m.keyEnd)), Raw: p.data[m.value:m.end:m.end], Stage: m.rawStage(p.data)}
		if i, twice := p.find(e.Version); twice {
			d.Entries[i] = e
		} else {
			d.Entries = append(d.Entries, e)
		}
	})
}

// members calls each for the members of an object of versions: entries, or what
// our key says about them. next finds where a member ends.
func (p *parser) members(at, depth int, next func(key, keyEnd, at int) (entrySpan, error), each func(entrySpan)) (stop int, err error) {
	return pyjson.Members(p.data, at, depth, func(start, end, at int) (int, error) {
		m, err := next(start, end, at)
		if err == nil {
			each(m)
		}
		return m.end, err
	})
}

// plainMember returns member for values that depth other values are around.
func (p *parser) plainMember(depth int) func(key, keyEnd, at int) (entrySpan, error) {
	return func(key, keyEnd, at int) (entrySpan, error) { return member(p.data, key, keyEnd, at, depth) }
}

// namesAtOnce is how many bytes of versions share one allocation.
const namesAtOnce = 4 << 10

// text returns a string of these bytes. It shares memory with other versions,
// because there are as many as there are entries.
func (p *parser) text(b []byte) string {
	if p.names.Cap()-p.names.Len() < len(b) {
		p.names = strings.Builder{}
		p.names.Grow(max(namesAtOnce, len(b)))
	}
	from := p.names.Len()
	p.names.Write(b)
	return p.names.String()[from:]
}

// SkipEntry returns where the entry that starts at an offset ends, and the raw
// value of its stage, or nil if it has none. depth is the number of values
// around the entry.
func SkipEntry(b []byte, at, depth int) (stop int, stage []byte, err error) {
	m, err := member(b, 0, 0, at, depth)
	return m.end, m.rawStage(b), err
}

// member returns a member, given its key and where its value starts. depth is
// the number of values around that value.
func member(b []byte, key, keyEnd, at, depth int) (m entrySpan, err error) {
	m.span = span{key: key, keyEnd: keyEnd, value: at}
	if at >= len(b) || b[at] != '{' {
		m.end, err = pyjson.Skip(b, at, depth)
		return m, err
	}
	if !m.laidOut(b, depth) {
		err = m.walk(b, depth)
	}
	return m, err
}

// walk finds the end and the stage of an object.
func (m *entrySpan) walk(b []byte, depth int) (err error) {
	m.end, err = pyjson.Members(b, m.value, depth, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(b, at, depth+1)
		if err == nil && pyjson.Names(b[start:end], "stage") {
			m.stage, m.stageEnd = at, stop
		}
		return stop, err
	})
	return err
}

// laidOut is walk for an entry in our layout, which nearly every entry has. It
// reports false for any other, and for an entry with a fault.
func (m *entrySpan) laidOut(b []byte, depth int) bool {
	values, end, ok := byLayout(b, m.value, depth)
	if ok {
		m.end, m.stage, m.stageEnd = end, values[stageKey].start, values[stageKey].end
	}
	return ok
}

func (m *entrySpan) rawStage(b []byte) []byte {
	if m.known != nil || m.stageEnd == 0 {
		return m.known
	}
	return b[m.stage:m.stageEnd:m.stageEnd]
}

// find returns where a version is already, and records it as the next entry if
// it is new. Versions are registered in ascending order. While they ascend,
// none can occur twice, and no index is needed.
func (p *parser) find(version string) (at int, twice bool) {
	if p.index == nil {
		if r, ok := ParseRelease(version); ok && (len(p.d.Entries) == 0 || r.Compare(p.last) > 0) {
			p.last = r
			return 0, false
		}
		p.makeIndex()
	}
	if at, twice = p.index[version]; !twice {
		p.index[version] = len(p.d.Entries)
	}
	return at, twice
}

func (p *parser) makeIndex() {
	p.index = make(map[string]int, cap(p.d.Entries))
	for i, e := range p.d.Entries {
		p.index[e.Version] = i
	}
}

// mark reads our key. A value that makes no sense counts as a missing key.
func (p *parser) mark(at int) (stop int, err error) {
	d := p.d
	d.Mark, d.Intact, p.extras = nil, false, nil
	if !p.isObject(at) {
		return pyjson.Skip(p.data, at, 1)
	}
	r := markReader{data: p.data, into: &Mark{}, sound: true}
	stop, err = pyjson.Members(p.data, at, 1, func(start, end, at int) (stop int, err error) {
		if string(p.name(start, end)) == "versions" && p.isObject(at) {
			r.sum = span{}
			return p.extra(at)
		}
		return r.member(start, end, at)
	})
	if err == nil && r.sound && p.data[pyjson.Space(p.data, at+1)] != '}' {
		d.Mark = r.into
		d.Intact = r.sum.end > 0 && p.data[r.sum.value] == '"' &&
			(p.sizes != nil || pyjson.Unquote(p.data[r.sum.value:r.sum.end]) == checksum(p.data[:r.sum.key]))
	}
	return stop, err
}

// extra reads what our key says about the versions.
func (p *parser) extra(at int) (int, error) {
	p.extras = make([]span, 0, len(p.d.Entries))
	next := p.plainMember(3)
	if p.sizes != nil {
		next = p.lineExtra
	}
	return p.members(at, 2, next, func(m entrySpan) { p.extras = append(p.extras, m.span) })
}

// match gives each entry what our key says about it. Both are in the same
// order, unless another program wrote the document.
func (p *parser) match() {
	d := p.d
	if d.Mark == nil {
		return
	}
	next := 0
	for _, x := range p.extras {
		name, i := p.name(x.key, x.keyEnd), next
		if i >= len(d.Entries) || d.Entries[i].Version != string(name) {
			if p.index == nil {
				p.makeIndex()
			}
			var there bool
			if i, there = p.index[string(name)]; !there {
				continue
			}
		}
		next = i + 1
		raw := p.data[x.value:x.end:x.end]
		if !d.Intact { // in an intact document it is compact
			raw = pyjson.Compact(nil, raw)
		}
		d.Entries[i].Extra = raw
	}
}
