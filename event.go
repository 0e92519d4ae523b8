package modelregistry

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
	"unicode/utf8"

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
	after        []image
	removed      []string // entries that are gone
	reset        bool     // the entries after it are all there are
	checkpoint   int64    // the document on disk stood at this event or a later one before this one
	prev         string   // SHA-256 of the line before, hex
}

// An image is one version's entry after an event.
type image struct {
	version string
	raw     []byte // the entry, compact or laid out
	extra   []byte // as entry.extra
	laid    bool   // raw is laid out as the document holds it
}

// skips reports whether the event may leave out numbers: it starts anew, or tells
// that lines were lost.
func (e *event) skips() bool { return e.reset || e.op == opRepair }

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func hashLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// encode returns the event as a line without its end.
func (e *event) encode() ([]byte, error) {
	b := fmt.Appendf(nil, `{"event":%d`, e.number)
	text := func(key, value string) {
		if value != "" {
			b = fmt.Appendf(b, `,"%s":`, key)
			b = pyjson.AppendString(b, value)
		}
	}
	flag := func(key string, on bool) {
		if on {
			b = fmt.Appendf(b, `,"%s":true`, key)
		}
	}
	text("id", e.id)
	text("time", formatTime(e.time))
	text("op", e.op)
	text("version", e.version)
	text("from", string(e.from))
	text("to", string(e.to))
	text("actor", e.actor)
	text("reason", e.reason)
	flag("refused", e.refused)
	flag("skipped_gates", e.skippedGates)
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
	flag("reset", e.reset)
	if len(e.removed) > 0 {
		raw, err := pyjson.Marshal(e.removed, true)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"removed":`...), raw...)
	}
	if len(e.after) > 0 {
		var extras []byte
		b = append(b, `,"after":{`...)
		for i, im := range e.after {
			if i > 0 {
				b, extras = append(b, ','), append(extras, ',')
			}
			b = append(pyjson.AppendString(b, im.version), ':')
			b = pyjson.Compact(b, im.raw)
			extras = append(pyjson.AppendString(extras, im.version), ':')
			if len(im.extra) == 0 {
				extras = append(extras, "{}"...)
			}
			extras = append(extras, im.extra...)
		}
		b = append(append(append(b, `},"extra":{`...), extras...), '}')
	}
	b = fmt.Appendf(b, `,"checkpoint":%d,"prev":`, e.checkpoint)
	return sealLine(pyjson.AppendString(b, e.prev)), nil
}

// errChecksum says that a line can be read, and is not as it was written.
var errChecksum = errors.New("the line does not have its checksum")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealLine ends a line with the checksum of what it holds. The digest in the next line
// would tell too; the last line has none.
func sealLine(b []byte) []byte {
	return fmt.Appendf(b, `,"crc32c":"%08x"}`, crc32.Checksum(b, castagnoli))
}

// unsealed returns what a line holds before its checksum, and whether that is
// right.
func unsealed(line []byte) (held []byte, ok bool) {
	held = line[:max(0, len(line)-len(`,"crc32c":"00000000"}`))]
	return held, bytes.Equal(sealLine(bytes.Clone(held)), line)
}

// decodeEvent reads a line. Keys that it does not know are passed over: a later
// release may add some. With errChecksum comes the event as it reads.
func decodeEvent(line []byte) (*event, error) {
	if !utf8.Valid(line) {
		return nil, errors.New("it is not UTF-8")
	}
	members, err := pyjson.Object(line)
	if err != nil {
		return nil, err
	}
	e := &event{}
	d := &eventDecoder{}
	var extras []pyjson.Member
	for _, m := range members {
		switch m.Key {
		case "event":
			d.json(m, &e.number)
		case "id":
			e.id = d.text(m)
		case "time":
			e.time, err = parseTime(d.text(m))
			d.fail(m.Key, err)
		case "op":
			e.op = d.text(m)
		case "version":
			e.version = d.text(m)
		case "from":
			e.from = d.stage(m)
		case "to":
			e.to = d.stage(m)
		case "actor":
			e.actor = d.text(m)
		case "reason":
			e.reason = d.text(m)
		case "refused":
			d.json(m, &e.refused)
		case "skipped_gates":
			d.json(m, &e.skippedGates)
		case "gates":
			e.results = d.results(m)
		case "reset":
			d.json(m, &e.reset)
		case "removed":
			d.json(m, &e.removed)
		case "after":
			for _, im := range d.object(m) {
				e.after = append(e.after, image{version: im.Key, raw: im.Value})
			}
		case "extra":
			extras = d.object(m)
		case "checkpoint":
			d.json(m, &e.checkpoint)
		case "prev":
			e.prev = d.text(m)
		}
	}
	for _, m := range extras {
		for i := range e.after {
			if e.after[i].version == m.Key {
				e.after[i].extra = d.extra(m)
			}
		}
	}
	if d.err == nil && (e.number < 1 || e.op == "") {
		d.err = errors.New("it is no event")
	}
	if _, ok := unsealed(line); !ok && d.err == nil {
		d.err = errChecksum
	}
	return e, d.err
}

type eventDecoder struct{ err error }

func (d *eventDecoder) fail(key string, err error) {
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%s: %w", key, err)
	}
}

func (d *eventDecoder) json(m pyjson.Member, into any) { d.fail(m.Key, json.Unmarshal(m.Value, into)) }

// text reads a string.
func (d *eventDecoder) text(m pyjson.Member) (s string) {
	if n := len(m.Value); n >= 2 && m.Value[0] == '"' && bytes.IndexByte(m.Value, '\\') < 0 {
		return string(m.Value[1 : n-1])
	}
	d.json(m, &s)
	return s
}

func (d *eventDecoder) extra(m pyjson.Member) []byte {
	_, err := checkExtra(m.Value)
	d.fail(m.Key, err)
	if string(m.Value) == "{}" {
		return nil
	}
	return pyjson.Compact(nil, m.Value)
}

// stage takes any name: an entry of another program's may have had one that is
// none of ours.
func (d *eventDecoder) stage(m pyjson.Member) ModelStage {
	return ModelStage(d.text(m))
}

func (d *eventDecoder) object(m pyjson.Member) []pyjson.Member {
	members, err := pyjson.Object(m.Value)
	d.fail(m.Key, err)
	return members
}

func (d *eventDecoder) results(m pyjson.Member) []GateResult {
	list, err := pyjson.Array(m.Value)
	d.fail(m.Key, err)
	results := []GateResult{}
	for _, raw := range list {
		v, err := pyjson.Decode(raw)
		d.fail(m.Key, err)
		f, _ := v.(map[string]any)
		r := GateResult{Actual: f["actual"], Threshold: f["threshold"], Passed: f["passed"] == true}
		r.Name, _ = f["name"].(string)
		r.Message, _ = f["message"].(string)
		results = append(results, r)
	}
	return results
}
