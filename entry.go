package modelregistry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// An entry is one version, immutable but for layOut. It stays raw but for what every change has to
// know of every version.
type entry struct {
	name    *ModelName
	version string
	pos     int
	raw     []byte     // as the document holds it,
	compact bool       // or as an event does, until layOut
	extra   []byte     // what the registry keeps of it beside, as JSON on one line; nil for nothing
	size    int64      // about what it takes in the document, in bytes
	stage   ModelStage // as its raw value has it
	entered int64      // the event by which it entered its stage, 0 for none
	decoded atomic.Pointer[ModelVersion]
}

func newEntry(name *ModelName, im *image, pos int) *entry {
	e := &entry{name: name, version: im.version, pos: pos, raw: im.raw, compact: im.compact, extra: im.extra, stage: im.stage()}
	e.entered, _ = checkExtra(im.extra)
	e.size = e.takes()
	return e
}

func (e *entry) image() image {
	return image{version: e.version, raw: e.raw, compact: e.compact, extra: e.extra, stageRead: e.stage}
}

// layOut lays the entry out as the document holds it, which is for who writes to do, and not for
// each who reads. The caller holds the model's lock, so that nobody else looks.
func (e *entry) layOut() []byte {
	if e.compact {
		e.raw, e.compact = document.LayEntry(e.raw), false
	}
	return e.raw
}

// takes returns about how many bytes the entry takes in the document, laid out or not.
func (e *entry) takes() int64 {
	n := len(e.raw)
	if e.compact {
		n = document.LaidOut(e.raw)
	}
	return int64(n + len(e.extra) + 2*len(e.version) + 32)
}

// decode returns the version, shared: it is not to be changed.
func (e *entry) decode() *ModelVersion {
	if v := e.decoded.Load(); v != nil {
		return v
	}
	v := decodeEntry(*e.name, e.version, e.raw)
	x, err := readExtra(e.extra)
	gates := storedGates("gates", x.gates)
	if err != nil { // gates might be among it
		gates = PromotionGate{rules: []rule{unreadable(document.Key, e.extra, err)}}
	}
	for _, p := range gates.unreadable() {
		v.problem("%s: %s", document.Key, p)
	}
	v.RegisteredBy, v.SourceRevision, v.ManifestSHA256 = string(x.registeredBy), string(x.sourceRevision), string(x.manifest)
	v.Gates = Gates(gates, v.Gates)
	e.decoded.Store(&v)
	return &v
}

// view returns the entry as a caller sees it, given what tells which one counts as in production. Of two, which only
// another program can have left, the one promoted last counts; the other reads
// as archived, as the next change will have it.
func (e *entry) view(production func() *entry) ModelVersion {
	v := *e.decode()
	if v.Stage == Production {
		if p := production(); p != e {
			v.Stage = Archived
			v.Problems = append(slices.Clip(v.Problems), "stored as production beside "+p.version+", which was promoted last")
		}
	}
	return v
}

// stageOf returns the stage of a raw entry.
func stageOf(raw []byte) ModelStage {
	if len(raw) == 0 || raw[0] != '{' {
		return ""
	}
	_, stage, err := document.SkipEntry(raw, 0, 0)
	if err != nil {
		stage = nil
	}
	return entryStage(raw, stage)
}

// entryStage returns the stage of a raw entry, given its member of that name.
func entryStage(raw, stage []byte) ModelStage {
	switch {
	case len(raw) == 0 || raw[0] != '{':
		return ""
	case len(stage) > len(`""`) && stage[0] == '"':
		return stageNamed(pyjson.Text(stage))
	}
	return Development // the format's default
}

// stageNamed returns the stage of a name; one of ours takes no memory.
func stageNamed(name []byte) ModelStage {
	switch string(name) {
	case string(Development):
		return Development
	case string(Staging):
		return Staging
	case string(Production):
		return Production
	case string(Archived):
		return Archived
	}
	return ModelStage(name)
}

// member returns the raw value of a member of a raw object, nil if there is none.
func member(raw []byte, key string) (value []byte) {
	_, err := pyjson.Members(raw, 0, 0, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(raw, at, 1)
		if err == nil && pyjson.Names(raw[start:end], key) {
			value = raw[at:stop:stop]
		}
		return stop, err
	})
	if err != nil {
		return nil
	}
	return value
}

// newer reports whether e entered its stage after other did: by the events that
// put them there, else by the times in their entries, else by place.
func (e *entry) newer(other *entry) bool {
	if e.entered != other.entered {
		return e.entered > other.entered
	}
	if x, y := e.enteredAt(), other.enteredAt(); !x.Equal(y) {
		return x.After(y)
	}
	return e.pos > other.pos
}

// enteredAt returns when the version entered its stage, as its entry has it.
func (e *entry) enteredAt() time.Time {
	key := stamped[e.stage]
	if key == "" {
		key = "registered_at"
	}
	if len(e.raw) == 0 || e.raw[0] != '{' {
		return time.Time{}
	}
	raw := member(e.raw, key)
	if len(raw) == 0 || raw[0] != '"' {
		return time.Time{}
	}
	t, err := parseTime(pyjson.Text(raw))
	if err != nil {
		return time.Time{}
	}
	return t
}

// extra is what the registry keeps of a version beside its entry.
type extra struct {
	Entered        int64          `json:"entered,omitempty"` // the event by which it entered its stage
	RegisteredBy   string         `json:"registered_by,omitempty"`
	SourceRevision string         `json:"source_revision,omitempty"`
	Manifest       string         `json:"manifest,omitempty"` // SHA-256 of manifest.json, hex
	Gates          *PromotionGate `json:"gates,omitempty"`
}

// encode returns the extra as an entry keeps it.
func (x extra) encode() ([]byte, error) {
	raw, err := json.Marshal(x)
	if err != nil || string(raw) == "{}" {
		return nil, err
	}
	return pyjson.Compact(nil, raw), nil
}

// entering returns an extra with the event by which the version enters a stage.
func entering(raw []byte, event int64) []byte {
	const key = `{"entered":`
	b := strconv.AppendInt(append(make([]byte, 0, len(raw)+len(key)+20), key...), event, 10)
	n := len(b)
	err := pyjson.Walk(raw, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(raw, at, 1)
		if err == nil && !pyjson.Names(raw[start:end], "entered") {
			b = append(append(append(append(b, ','), raw[start:end]...), ':'), raw[at:stop]...)
		}
		return stop, err
	})
	if err != nil {
		b = b[:n]
	}
	return append(b, '}')
}

// checkExtra returns the event by which a version entered its stage, and why its extra
// can't be read, if so. Gates can't be at fault: one that can't be read is a gate that no version passes.
func checkExtra(raw []byte) (entered int64, err error) {
	x, err := readExtra(raw)
	return x.entered, err
}

// readExtra takes an extra apart. Members that it does not know stay in the raw extra.
func readExtra(raw []byte) (x rawExtra, err error) {
	if len(raw) == 0 {
		return x, nil
	}
	if x, ok := plainExtra(raw); ok {
		return x, nil
	}
	err = pyjson.Walk(raw, func(start, end, at int) (int, error) {
		stop, err := pyjson.Skip(raw, at, 1)
		if err == nil {
			err = x.take(string(pyjson.Text(raw[start:end])), raw[at:stop:stop])
		}
		return stop, err
	})
	return x, err
}

// take notes a member that it knows.
func (x *rawExtra) take(key string, value []byte) (err error) {
	if string(value) == "null" {
		return nil
	}
	texts := map[string]*[]byte{"registered_by": &x.registeredBy, "source_revision": &x.sourceRevision, "manifest": &x.manifest}
	switch into := texts[key]; {
	case key == "entered":
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return fmt.Errorf("%s is no event's number: %s", key, value)
		}
		x.entered = n
	case key == "gates":
		x.gates = value
	case into != nil && value[0] != '"':
		return fmt.Errorf("%s is no string", key)
	case into != nil:
		*into = pyjson.Text(value)
	}
	return nil
}

// rawExtra is where the parts of an extra stand in its bytes.
type rawExtra struct {
	entered                                int64
	registeredBy, sourceRevision, manifest []byte
	gates                                  []byte
}

// plainExtra takes the extra of nearly every version apart without decoding it: a number,
// then texts without escapes, then gates, as extra.encode has them. It reports
// false for what takes a closer look.
func plainExtra(raw []byte) (x rawExtra, ok bool) {
	rest, ok := bytes.CutPrefix(raw, []byte(`{"entered":`))
	if !ok {
		return x, false
	}
	n := 0
	for ; n < len(rest) && n < 18 && '0' <= rest[n] && rest[n] <= '9'; n++ {
		x.entered = x.entered*10 + int64(rest[n]-'0')
	}
	if n == 0 || n > 1 && rest[0] == '0' {
		return x, false
	}
	rest = rest[n:]
	for _, f := range [...]struct {
		start string
		text  *[]byte
	}{{`,"registered_by":"`, &x.registeredBy}, {`,"source_revision":"`, &x.sourceRevision}, {`,"manifest":"`, &x.manifest}} {
		if len(rest) <= len(f.start) || string(rest[:len(f.start)]) != f.start {
			continue
		}
		rest = rest[len(f.start):]
		end := bytes.IndexByte(rest, '"')
		if end < 0 || bytes.IndexByte(rest[:end], '\\') >= 0 {
			return x, false
		}
		*f.text, rest = rest[:end], rest[end+1:]
	}
	if after, has := bytes.CutPrefix(rest, []byte(`,"gates":`)); has {
		end, err := pyjson.Skip(after, 0, 1)
		if err != nil {
			return x, false
		}
		x.gates, rest = after[:end], after[end:]
	}
	return x, string(rest) == "}"
}
