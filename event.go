package modelregistry

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Operations, as events name them.
const (
	opRegister = "register"
	opPromote  = "promote"
	opDemote   = "demote"
	opRollback = "rollback"
	opArchive  = "archive"
	opImport   = "import"  // the state of a document that had no history, or had lost it
	opForeign  = "foreign" // what somebody else changed in the document
	opRepair   = "repair"  // what Repair found and made of it
)

// An event is one line of a model's history. It carries the full after-image of
// every entry it touches, so that to apply it is to set entries, in any number,
// twice if need be.
type event struct {
	number       int64
	id           string // 128 random bits, hex
	time         time.Time
	op           string
	version      string
	from, to     ModelStage
	actor        string
	reason       string
	refused      bool
	results      []GateResult
	skippedGates bool
	forced       bool
	after        []image
	removed      []string // entries that are gone
	model        []byte   // the facts of the model after it, an object; nil if it did not touch them
	deleted      []byte   // who deleted them and when, by version: an object; nil for nothing
	gone         []buried // of those, what is not in deleted yet
	reused       []string // of those in after, numbers that were given out before
	doubts       []Doubt  // what of an external change can't be told
	document     string   // SHA-256 of the document that an external change was taken from, hex
	reset        bool     // the entries after it are all there are
	unnoted      bool     // its writer leaves no note of documents that it puts in place
	prev         string   // SHA-256 of the line before, hex
	hash         string   // SHA-256 of its own line, hex, once it has one
}

// An image is one version's entry after an event.
type image struct {
	version   string
	raw       []byte     // the entry, as the document holds it
	compact   bool       // or as an event does
	extra     []byte     // as entry.extra
	stageRead ModelStage // as raw has it; empty if it was not looked for
	made      *entry     // of it, by the txn that emitted it
}

// stage returns the entry's stage, empty for what is no entry.
func (im *image) stage() ModelStage {
	if im.stageRead != "" {
		return im.stageRead
	}
	return stageOf(im.raw)
}

// skips reports whether the event may leave out numbers: it starts anew, or tells
// that lines were lost.
func (e *event) skips() bool { return e.reset || e.op == opRepair }

// restates reports whether the event says anew what is known of the model.
func (e *event) restates() bool { return e.reset || e.op == opImport || e.op == opRepair }

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

func hashLine(line []byte) string {
	sum := sha256.Sum256(line)
	var text [2 * len(sum)]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}

// encode returns the event as a line without its end.
func (e *event) encode() ([]byte, error) {
	room := 512 + len(e.reason) + len(e.model)
	for _, im := range e.after {
		room += len(im.raw) + len(im.extra) + 2*len(im.version)
	}
	b := strconv.AppendInt(append(make([]byte, 0, room), `{"event":`...), e.number, 10)
	text := func(key, value string) {
		if value != "" {
			b = pyjson.AppendString(append(b, key...), value)
		}
	}
	flag := func(key string, on bool) {
		if on {
			b = append(append(b, key...), "true"...)
		}
	}
	text(`,"id":`, e.id)
	text(`,"time":`, formatTime(e.time))
	text(`,"op":`, e.op)
	text(`,"version":`, e.version)
	text(`,"from":`, string(e.from))
	text(`,"to":`, string(e.to))
	text(`,"actor":`, e.actor)
	text(`,"reason":`, e.reason)
	flag(`,"refused":`, e.refused)
	flag(`,"skipped_gates":`, e.skippedGates)
	flag(`,"forced":`, e.forced)
	if e.results != nil {
		b = append(b, `,"gates":[`...)
		for i, r := range e.results {
			if i > 0 {
				b = append(b, ',')
			}
			raw, err := pyjson.Marshal([]any{r.Name, r.Passed, r.Message, r.Actual, r.Threshold}, false)
			if err != nil {
				return nil, err
			}
			f, _ := pyjson.Array(raw)
			b = fmt.Appendf(b, `{"name":%s,"passed":%s,"message":%s,"actual":%s,"threshold":%s}`, f[0], f[1], f[2], f[3], f[4])
		}
		b = append(b, ']')
	}
	flag(`,"reset":`, e.reset)
	for _, list := range []struct {
		key      string
		versions []string
	}{{`,"removed":`, e.removed}, {`,"reused":`, e.reused}} {
		if len(list.versions) > 0 {
			raw, err := pyjson.Marshal(list.versions, true)
			if err != nil {
				return nil, err
			}
			b = append(append(b, list.key...), raw...)
		}
	}
	if e.deleted != nil {
		b = pyjson.Compact(append(b, `,"deleted":`...), e.deleted)
	}
	if len(e.after) > 0 {
		key := `,"after":{`
		for _, im := range e.after {
			b = append(pyjson.AppendString(append(b, key...), im.version), ':')
			b = pyjson.Compact(b, im.raw)
			key = ","
		}
		key = `},"extra":{`
		for _, im := range e.after {
			b = append(pyjson.AppendString(append(b, key...), im.version), ':')
			if len(im.extra) == 0 {
				b = append(b, "{}"...)
			}
			b = append(b, im.extra...)
			key = ","
		}
		b = append(b, '}')
	}
	if e.model != nil {
		b = pyjson.Compact(append(b, `,"`+format.Model+`":`...), e.model)
	}
	b = appendDoubts(b, e.doubts)
	text(`,"document":`, e.document)
	return sealLine(pyjson.AppendString(append(b, `,"prev":`...), e.prev)), nil
}

// errChecksum says that a line can be read, and is not as it was written.
var errChecksum = errors.New("the line does not have its checksum")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sealSize = len(`,"crc32c":"00000000"}`)

// sealLine ends a line with the checksum of what it holds. The digest in the next line
// would tell too; the last line has none.
func sealLine(held []byte) []byte { return appendSeal(held, held) }

func appendSeal(b, held []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(held, castagnoli))
	b = hex.AppendEncode(append(b, `,"crc32c":"`...), sum[:])
	return append(b, `"}`...)
}

// unsealed returns what a line holds before its checksum, and whether that is
// right.
func unsealed(line []byte) (held []byte, ok bool) {
	held = line[:max(0, len(line)-sealSize)]
	var seal [sealSize]byte
	return held, bytes.Equal(appendSeal(seal[:0], held), line[len(held):])
}

// decodeEvent reads a line. Keys that it does not know are passed over: a later
// release may add some. With errChecksum comes the event as it reads.
func decodeEvent(line []byte) (*event, error) {
	return (&eventDecoder{line: line}).decode()
}

// decodeEffect is decodeEvent for a state: it checks as much, and leaves out what an event only tells
// (id, time, actor, reason, gates). Most lines follow the one with the digest prev, and spare the memory for
// it.
func decodeEffect(line []byte, prev string) (*event, error) {
	return (&eventDecoder{line: line, effect: true, prev: prev}).decode()
}

// An eventDecoder reads a line in one pass. A value that does not fit does not end it: a fault in the
// JSON behind it is the graver one.
type eventDecoder struct {
	line   []byte
	effect bool
	prev   string // what e.prev most likely is
	e      *event
	room   []image // for e.after
	extras []extraOf
	err    error // of the first value that does not fit

	extraRoom [2]extraOf
}

// An extraOf is what an entry has beside it in a line, maybe before it.
type extraOf struct{ version, raw []byte }

func (d *eventDecoder) decode() (*event, error) {
	if !utf8.Valid(d.line) {
		return nil, errors.New("it is not UTF-8")
	}
	made := &struct {
		event
		room [2]image // a promotion to production has two
	}{}
	d.e, d.room = &made.event, made.room[:0]
	if err := pyjson.Walk(d.line, d.member); err != nil {
		return nil, err
	}
	d.join()
	if d.err == nil && (d.e.number < 1 || d.e.number > format.MaxEvent || d.e.op == "") {
		d.err = errors.New("it is no event")
	}
	if _, ok := unsealed(d.line); !ok && d.err == nil {
		d.err = errChecksum
	}
	d.e.hash = hashLine(d.line)
	return d.e, d.err
}

func (d *eventDecoder) member(start, end, at int) (stop int, err error) {
	key := pyjson.Text(d.line[start:end])
	if at < len(d.line) && d.line[at] == '{' { // what these two should be, and go into
		switch string(key) {
		case "after":
			return pyjson.Members(d.line, at, 1, d.image)
		case "extra":
			d.extras = nil
			return pyjson.Members(d.line, at, 1, d.beside)
		}
	}
	stop, err = pyjson.Skip(d.line, at, 1)
	if err != nil {
		return stop, err
	}
	e, raw := d.e, d.line[at:stop]
	switch string(key) {
	case "event":
		d.number("event", raw, &e.number)
	case "id":
		e.id = d.told("id", raw)
	case "time":
		e.time, err = parseTime(d.bytes("time", raw))
		d.fail("time", err)
	case "op":
		e.op = d.oneOf("op", raw, opRegister, opPromote, opDemote, opRollback, opArchive, opImport, opForeign, opRepair)
	case "version":
		e.version = d.text("version", raw)
	case "from":
		e.from = d.stage("from", raw)
	case "to":
		e.to = d.stage("to", raw)
	case "actor":
		e.actor = d.told("actor", raw)
	case "reason":
		e.reason = d.told("reason", raw)
	case "refused":
		d.flag("refused", raw, &e.refused)
	case "skipped_gates":
		d.flag("skipped_gates", raw, &e.skippedGates)
	case "forced":
		d.flag("forced", raw, &e.forced)
	case "gates":
		d.results("gates", raw)
	case "reset":
		d.flag("reset", raw, &e.reset)
	case "removed":
		d.json("removed", raw, &e.removed)
	case "reused":
		d.json("reused", raw, &e.reused)
	case "deleted":
		e.deleted = d.object("deleted", raw)
	case "doubts":
		e.doubts = d.doubts(raw)
	case "document":
		e.document = d.text("document", raw)
	case "after":
		d.fail("after", &pyjson.SyntaxError{Reason: "want an object"})
	case "extra":
		d.extras = nil
		d.fail("extra", &pyjson.SyntaxError{Reason: "want an object"})
	case format.Model:
		if raw[0] != '{' {
			d.fail(format.Model, &pyjson.SyntaxError{Reason: "want an object"})
			break
		}
		e.model = raw[:len(raw):len(raw)]
	case "checkpoint": // where the document stood, as releases before the note had it
		e.unnoted = true
	case "prev":
		e.prev = d.oneOf("prev", raw, d.prev)
	}
	return stop, nil
}

// image reads an entry, and looks at its stage in passing.
func (d *eventDecoder) image(start, end, at int) (stop int, err error) {
	stop, stage, err := document.SkipEntry(d.line, at, 2)
	if err != nil {
		return stop, err
	}
	if d.e.after == nil {
		d.e.after = d.room
	}
	raw := d.line[at:stop:stop]
	d.e.after = append(d.e.after, image{version: d.version(pyjson.Text(d.line[start:end])), raw: raw, compact: true, stageRead: entryStage(raw, stage)})
	return stop, nil
}

// beside notes what an entry has beside it.
func (d *eventDecoder) beside(start, end, at int) (stop int, err error) {
	if stop, err = pyjson.Skip(d.line, at, 2); err != nil {
		return stop, err
	}
	if d.extras == nil {
		d.extras = d.extraRoom[:0]
	}
	d.extras = append(d.extras, extraOf{pyjson.Text(d.line[start:end]), d.line[at:stop]})
	return stop, nil
}

// join gives the entries what they have beside.
func (d *eventDecoder) join() {
	find := d.last
	if len(d.extras) > len(d.extraRoom) {
		all := make(map[string]*image, len(d.e.after))
		for i := range d.e.after {
			all[d.e.after[i].version] = &d.e.after[i]
		}
		find = func(version []byte) *image { return all[string(version)] }
	}
	for _, x := range d.extras {
		if im := find(x.version); im != nil {
			_, err := checkExtra(x.raw)
			d.fail(im.version, err)
			im.extra = nil
			if string(x.raw) != "{}" {
				im.extra = pyjson.Compact(nil, x.raw)
			}
		}
	}
}

// last returns the last entry of a name.
func (d *eventDecoder) last(version []byte) *image {
	for i := range slices.Backward(d.e.after) {
		if im := &d.e.after[i]; im.version == string(version) {
			return im
		}
	}
	return nil
}

func (d *eventDecoder) fail(key string, err error) {
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", key, err)
	}
}

func (d *eventDecoder) json(key string, raw []byte, into any) { d.fail(key, json.Unmarshal(raw, into)) }

func (d *eventDecoder) number(key string, raw []byte, into *int64) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		d.json(key, raw, into)
		return
	}
	*into = n
}

func (d *eventDecoder) flag(key string, raw []byte, into *bool) {
	if string(raw) == "true" {
		*into = true
		return
	}
	d.json(key, raw, into)
}

// stage takes any name: an entry of another program's may have had one that is none of ours.
func (d *eventDecoder) stage(key string, raw []byte) ModelStage { return stageNamed(d.bytes(key, raw)) }

// text reads a string.
func (d *eventDecoder) text(key string, raw []byte) string { return string(d.bytes(key, raw)) }

// bytes is text without a copy.
func (d *eventDecoder) bytes(key string, raw []byte) []byte {
	if raw[0] == '"' {
		return pyjson.Text(raw)
	}
	var s string
	d.json(key, raw, &s)
	return []byte(s)
}

// told reads a string that only tells about the event.
func (d *eventDecoder) told(key string, raw []byte) string {
	if d.effect && raw[0] == '"' {
		return ""
	}
	return d.text(key, raw)
}

// oneOf reads a string that most likely is one of these, which then takes no memory.
func (d *eventDecoder) oneOf(key string, raw []byte, likely ...string) string {
	text := d.bytes(key, raw)
	for _, s := range likely {
		if string(text) == s {
			return s
		}
	}
	return string(text)
}

// version returns the name of an entry, in most events one that was named before.
func (d *eventDecoder) version(name []byte) string {
	if string(name) == d.e.version {
		return d.e.version
	}
	return string(name)
}

func (d *eventDecoder) results(key string, raw []byte) {
	if d.effect && raw[0] == '[' {
		return
	}
	list, err := pyjson.Array(raw)
	d.fail(key, err)
	d.e.results = []GateResult{}
	for _, raw := range list {
		v, err := pyjson.Decode(raw)
		d.fail(key, err)
		f, _ := v.(map[string]any)
		r := GateResult{Actual: f["actual"], Threshold: f["threshold"], Passed: f["passed"] == true}
		r.Name, _ = f["name"].(string)
		r.Message, _ = f["message"].(string)
		d.e.results = append(d.e.results, r)
	}
}
