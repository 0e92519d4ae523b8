// Package document reads and writes registry.json, the index of one model's
// versions that a Python registry shares.
//
// Entries stay raw bytes: what no caller asked to change is written back byte
// for byte. Our own position in the model's history goes into one further
// top-level key, "modelregistry", which the Python program ignores when it
// reads and drops when it writes. That is how we know that it wrote; a checksum
// in the key tells that an editor did.
package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Key is the top-level key that is ours.
const Key = "modelregistry"

// Layout of an entry inside the document, as json.dumps(…, indent=2) puts it.
const entryPrefix = "    "

// A Document is a parsed registry.json.
type Document struct {
	Head    []pyjson.Member // top-level keys but ours, in order; "versions" has no value
	Entries []Entry         // in order of registration
	Mark    *Mark           // nil if our key is gone
	Intact  bool            // the bytes before the mark's checksum are those we wrote
	Bytes   []byte          // that it was read from
}

// An Entry is one version's raw value.
type Entry struct {
	Version string
	Raw     []byte
	Stage   []byte // the raw value of its stage, nil if it has none; only of an entry that was read
	Extra   []byte // what we keep of it in our key, on one line, nil for nothing
}

// A Mark is our key's value beside what it keeps of the entries: which event of
// the history the document stands at, and what it has no other room for.
type Mark struct {
	Format      int64           // of the release that wrote it; 0 before format 2. Format writes its own.
	Model       []byte          // what is kept of the model beside its versions, an object; nil for nothing
	Others      []pyjson.Member // members that this release does not know, kept as they are
	Removed     []string        // version numbers given out, entries gone
	Deleted     json.RawMessage // who deleted them and when: an object; nil for nothing
	Productions []string        // production versions, the last one last
	External    int64           // number of the last event that recorded another program's changes, 0 for none
	Event       int64           // number of the last event applied
	Offset      int64           // position in the log behind that event
	Hash        string          // SHA-256 of that event's line
}

// New returns the document of a model without versions.
func New(useCase, model string) *Document {
	return &Document{Head: []pyjson.Member{
		{Key: "model_name", Value: pyjson.Quote(model)},
		{Key: "use_case", Value: pyjson.Quote(useCase)},
		{Key: "versions"},
	}}
}

// notUTF8 says where a text stops being UTF-8. Python can't read it either.
func notUTF8(data []byte) error {
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return &pyjson.SyntaxError{Offset: int64(at), Reason: "it is not UTF-8"}
}

// Format writes the document as the Python program does, with our key last.
func Format(d *Document) []byte {
	size := 1024
	for _, e := range d.Entries {
		size += len(e.Raw) + len(e.Extra) + 2*len(e.Version) + 32
	}
	b := append(make([]byte, 0, size), '{')
	for i, m := range d.Head {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n  "...)
		b = append(appendKey(b, m), ": "...)
		if m.Key == "versions" {
			b = appendEntries(b, d.Entries)
		} else {
			b = append(b, m.Value...)
		}
	}
	if d.Mark != nil {
		if len(d.Head) > 0 {
			b = append(b, ',')
		}
		b = appendMark(b, d)
	}
	return append(b, "\n}"...)
}

// appendKey writes a key as it stood, or if it is new, as Python writes it.
func appendKey(b []byte, m pyjson.Member) []byte {
	if m.Raw != nil {
		return append(b, m.Raw...)
	}
	return pyjson.AppendString(b, m.Key)
}

func appendEntries(b []byte, entries []Entry) []byte {
	if len(entries) == 0 {
		return append(b, "{}"...)
	}
	b = append(b, '{')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n"+entryPrefix...)
		b = append(pyjson.AppendString(b, e.Version), ": "...)
		b = append(b, e.Raw...)
	}
	return append(b, "\n  }"...)
}

func appendMark(b []byte, d *Document) []byte {
	m := d.Mark
	b = append(b, keyStart...)
	start := len(b)
	b = fmt.Appendf(b, "\n    \"format\": %d,", format.Version)
	if len(m.Model) > 0 {
		b = append(pyjson.Compact(append(b, "\n    \""+format.Model+"\": "...), m.Model), ',')
	}
	b = appendStrings(b, "removed", m.Removed)
	if len(m.Deleted) > 0 {
		b = append(pyjson.Compact(append(b, "\n    \"deleted\": "...), m.Deleted), ',')
	}
	b = appendStrings(b, "productions", m.Productions)
	if m.External > 0 {
		b = fmt.Appendf(b, "\n    \"external\": %d,", m.External)
	}
	for _, o := range m.Others {
		b = append(append(append(append(append(b, "\n    "...), o.Raw...), ": "...), o.Value...), ',')
	}
	b = appendExtras(b, d.Entries)
	b = fmt.Appendf(b, "%s: %d,\n    \"offset\": %d,\n    \"hash\": %s,\n    \"start\": %d,\n    ",
		tailStart, m.Event, m.Offset, pyjson.Quote(m.Hash), start)
	return appendSum(b)
}

// appendExtras writes what we keep of the entries, in their order, so that the
// bytes are settled.
func appendExtras(b []byte, entries []Entry) []byte {
	first := true
	for _, e := range entries {
		if len(e.Extra) == 0 {
			continue
		}
		if first {
			b = append(b, "\n    \"versions\": {"...)
		} else {
			b = append(b, ',')
		}
		first = false
		b = append(b, "\n      "...)
		b = append(pyjson.AppendString(b, e.Version), ": "...)
		b = append(b, e.Extra...)
	}
	if !first {
		b = append(b, "\n    },"...)
	}
	return b
}

func appendStrings(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = fmt.Appendf(b, "\n    %q: [", key)
	for i, s := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = pyjson.AppendString(b, s)
	}
	return append(b, "],"...)
}

// Set returns the entry raw with the given keys set, laid out as the document
// holds it. The eleven keys of the format come first and in its order, unset
// ones as null; keys that we do not know follow. Values not named keep their
// bytes.
func Set(raw []byte, set []pyjson.Member) []byte {
	f, _ := Cut(raw) // an entry that is no object is replaced
	for _, m := range set {
		if i, known := places[m.Key]; known {
			f.values[i] = m.Value
		}
	}
	return f.layOut()
}

// Overlay is Set for keys that we do not know, too. Set to nil, they go.
func Overlay(raw []byte, set []pyjson.Member) []byte {
	f, _ := Cut(raw)
	for _, m := range set {
		if i, known := places[m.Key]; known {
			f.values[i] = m.Value
		} else {
			f.setOther(m)
		}
	}
	return f.layOut()
}

func (f *Fields) layOut() []byte {
	size := len(behind)
	for i, v := range f.values {
		if v == nil {
			f.values[i] = []byte("null")
		}
		size += len(before[i]) + len(f.values[i])
	}
	for _, m := range f.others {
		size += len(next) + len(m.Raw) + len(": ") + len(m.Value)
	}
	b := make([]byte, 0, size)
	for i, v := range f.values {
		b = append(append(b, before[i]...), v...)
	}
	for _, m := range f.others {
		b = append(append(append(append(b, next...), m.Raw...), ": "...), m.Value...)
	}
	return append(b, behind...)
}

// Fields are the raw values of an entry by their keys; of a key that stands
// there twice, the last.
type Fields struct {
	values [keys][]byte // as Keys has them, nil for one that is not there
	others []pyjson.Member
}

// Cut cuts an entry into its fields.
func Cut(raw []byte) (f Fields, err error) {
	if values, end, ok := byLayout(raw, 0, 0); ok && end == len(raw) {
		for i, v := range values {
			f.values[i] = raw[v.start:v.end:v.end]
		}
		return f, nil
	}
	return cut(raw)
}

// cut is Cut of any entry.
func cut(raw []byte) (f Fields, err error) {
	err = pyjson.Walk(raw, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(raw, at, 1)
		if err != nil {
			return stop, err
		}
		key, value := pyjson.Text(raw[start:end]), raw[at:stop:stop]
		if i, known := places[string(key)]; known {
			f.values[i] = value
			return stop, nil
		}
		f.others = slices.DeleteFunc(f.others, func(m pyjson.Member) bool { return m.Key == string(key) })
		f.others = append(f.others, pyjson.Member{Key: string(key), Raw: raw[start:end:end], Value: value})
		return stop, nil
	})
	if err != nil {
		return Fields{}, err
	}
	return f, nil
}

// byLayout finds the values of an entry, which starts at an offset, and its
// end, if it has the keys of the format, no others, and the layout that we give
// it and Python. Of any other, and of one with a fault, it reports false. depth
// is how many values are around it.
func byLayout(b []byte, at, depth int) (values [keys]struct{ start, end int }, end int, ok bool) {
	for i := range before {
		v := &values[i]
		if len(b)-at < len(before[i]) || string(b[at:at+len(before[i])]) != before[i] {
			return values, 0, false
		}
		v.start = at + len(before[i])
		var err error
		if v.end, err = pyjson.Skip(b, v.start, depth+1); err != nil {
			return values, 0, false
		}
		at = v.end
	}
	if end = at + len(behind); end > len(b) || string(b[at:end]) != behind {
		return values, 0, false
	}
	return values, end, true
}

// setOther sets a key that we do not know.
func (f *Fields) setOther(m pyjson.Member) {
	at := slices.IndexFunc(f.others, func(o pyjson.Member) bool { return o.Key == m.Key })
	switch {
	case m.Value == nil && at >= 0:
		f.others = slices.Delete(f.others, at, at+1)
	case m.Value == nil:
	case at >= 0:
		f.others[at].Value = m.Value
	default:
		f.others = append(f.others, pyjson.Member{Key: m.Key, Raw: pyjson.Quote(m.Key), Value: m.Value})
	}
}

// Others returns the keys that we do not know.
func (f *Fields) Others() []pyjson.Member { return f.others }

// Get returns a raw value, nil if it is not there.
func (f *Fields) Get(key string) []byte {
	if i, known := places[key]; known {
		return f.values[i]
	}
	for _, m := range f.others {
		if m.Key == key {
			return m.Value
		}
	}
	return nil
}

const (
	keys     = 11
	stageKey = 1 // its place in Keys
)

// Keys are the eleven keys of an entry, in the order of the format.
var Keys = []string{"version", "stage", "registered_at", "promoted_to_staging", "promoted_to_prod", "archived_at",
	"metrics", "metadata", "lineage_run_id", "config_hash", "promoted_by"}

// What stands around the values of an entry in the document.
const (
	next   = ",\n" + entryPrefix + "  "
	behind = "\n" + entryPrefix + "}"
)

// places are where the keys stand in Keys, before what stands before their
// values, keys included.
var places, before = func() (places map[string]int, before [keys]string) {
	places = map[string]int{}
	for i, k := range Keys {
		places[k], before[i] = i, next+string(pyjson.Quote(k))+": "
	}
	before[0] = "{" + before[0][1:] // no comma
	return places, before
}()

// Lay lays a raw value out as the document holds a value inside an entry.
func Lay(raw []byte) []byte { return pyjson.Indent(nil, raw, entryPrefix+"  ") }

// LayEntry lays a whole compact entry out as the document holds it.
func LayEntry(raw []byte) []byte { return pyjson.Indent(nil, raw, entryPrefix) }

// LaidOut returns how many bytes LayEntry makes of a compact entry.
func LaidOut(raw []byte) int { return pyjson.Indented(raw, len(entryPrefix)) }
