// Package document reads and writes registry.json, the index of one model's
// versions that is shared with a Python registry. It does not know what stages
// or events mean.
//
// Entries stay raw bytes: values that no caller changes are written back byte
// for byte. Our own position in the model's history goes into one further
// top-level key, "modelregistry". The Python program ignores the key when it
// reads and drops it when it writes, which shows that it wrote. A checksum in
// the key shows whether another editor did.
package document

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Key is the top-level key that is ours.
const Key = "modelregistry"

// The indent of an entry inside the document, in the layout of json.dumps(…,
// indent=2).
const entryPrefix = "    "

// A Document is a parsed registry.json.
type Document struct {
	Head    []pyjson.Member // top-level keys but ours, in order; "versions" has no value
	Entries []Entry         // in order of registration
	Mark    *Mark           // nil if our key is missing
	Intact  bool            // the bytes before the mark's checksum are those that we wrote
	Bytes   []byte          // the bytes that the document was read from
}

// An Entry is one version's raw value.
type Entry struct {
	Version string
	Raw     []byte
	Stage   []byte // the raw value of its stage; nil if it has none, or for Write if it is not known
	Extra   []byte // what our key says about the version, on one line; nil for nothing
}

// A Mark is the value of our key without the members about single versions:
// the event of the history that the document includes, and facts that have no
// other place in the document.
type Mark struct {
	Format      int64           // of the release that wrote it; 0 before format 2. The function Format writes its own.
	Model       []byte          // facts about the model itself: an object; nil for nothing
	Others      []pyjson.Member // members that this release does not know, kept as they are
	Removed     []string        // version numbers that were given out and whose entries were removed
	Deleted     json.RawMessage // who deleted them and when: an object; nil for nothing
	Productions []string        // production versions, the last one last
	External    int64           // number of the last event that recorded another program's changes; 0 for none
	Event       int64           // number of the last event applied
	Offset      int64           // position in the log after that event
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

// notUTF8 returns the error for a text that is not UTF-8, with the position of
// the fault. Python can't read such a text either.
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

// Set returns the entry raw with the given keys set, in the layout of the
// document. The eleven keys of the format come first and in its order, unset
// ones as null. Keys that we do not know follow. Values that are not set keep
// their bytes.
func Set(raw []byte, set []pyjson.Member) []byte {
	f, _ := Cut(raw) // an entry that is not an object is replaced
	for _, m := range set {
		if i, known := places[m.Key]; known {
			f.values[i] = m.Value
		}
	}
	return f.layOut()
}

// Overlay is Set that also sets keys that we do not know. It removes such a key
// if its value is nil.
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
	size := len(entryEnd)
	for i, v := range f.values {
		if v == nil {
			f.values[i] = []byte("null")
		}
		size += len(before[i]) + len(f.values[i])
	}
	for _, m := range f.Others() {
		size += len(next) + len(m.Raw) + len(": ") + len(m.Value)
	}
	b := make([]byte, 0, size)
	for i, v := range f.values {
		b = append(append(b, before[i]...), v...)
	}
	for _, m := range f.Others() {
		b = append(append(append(append(b, next...), m.Raw...), ": "...), m.Value...)
	}
	return append(b, entryEnd...)
}

// Fields are the raw values of an entry by their keys. If a key occurs twice,
// its last value counts.
type Fields struct {
	values [keys][]byte    // in the order of Keys; nil for a missing key
	others []pyjson.Member // those that we do not know; a nil value is of one that was removed
	at     map[string]int  // where a key is in others
}

// Cut splits an entry into its fields.
func Cut(raw []byte) (f Fields, err error) {
	if values, end, ok := byLayout(raw, 0, 0); ok && end == len(raw) {
		for i, v := range values {
			f.values[i] = raw[v.start:v.end:v.end]
		}
		return f, nil
	}
	return cut(raw)
}

// cut is Cut for an entry in any layout.
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
		f.removeOther(string(key))
		f.addOther(pyjson.Member{Key: string(key), Raw: raw[start:end:end], Value: value})
		return stop, nil
	})
	if err != nil {
		return Fields{}, err
	}
	return f, nil
}

// byLayout finds the values and the end of the entry that starts at an offset.
// It reports false unless the entry has exactly the keys of the format, in the
// layout that we and Python write, and no fault. depth is the number of values
// around the entry.
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
	if end = at + len(entryEnd); end > len(b) || string(b[at:end]) != entryEnd {
		return values, 0, false
	}
	return values, end, true
}

// setOther sets a key that we do not know.
func (f *Fields) setOther(m pyjson.Member) {
	i, known := f.at[m.Key]
	switch {
	case m.Value == nil:
		f.removeOther(m.Key)
	case known:
		f.others[i].Value = m.Value
	default:
		f.addOther(pyjson.Member{Key: m.Key, Raw: pyjson.Quote(m.Key), Value: m.Value})
	}
}

func (f *Fields) addOther(m pyjson.Member) {
	if f.at == nil {
		f.at = map[string]int{}
	}
	f.at[m.Key] = len(f.others)
	f.others = append(f.others, m)
}

func (f *Fields) removeOther(key string) {
	if i, known := f.at[key]; known {
		f.others[i].Value = nil
		delete(f.at, key)
	}
}

// Others returns the keys that we do not know.
func (f *Fields) Others() []pyjson.Member {
	return slices.DeleteFunc(slices.Clone(f.others), func(m pyjson.Member) bool { return m.Value == nil })
}

// Get returns a raw value, or nil if the key is missing.
func (f *Fields) Get(key string) []byte {
	if i, known := places[key]; known {
		return f.values[i]
	}
	if i, known := f.at[key]; known {
		return f.others[i].Value
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

// The text around the values of an entry in the document.
const (
	next     = ",\n" + entryPrefix + "  "
	entryEnd = "\n" + entryPrefix + "}"
)

// places maps a key to its index in Keys. before has the text before each
// value, the key included.
var places, before = func() (places map[string]int, before [keys]string) {
	places = map[string]int{}
	for i, k := range Keys {
		places[k], before[i] = i, next+string(pyjson.Quote(k))+": "
	}
	before[0] = "{" + before[0][1:] // no comma
	return places, before
}()

// Lay returns a raw value in the layout that the document has for a value
// inside an entry.
func Lay(raw []byte) []byte { return pyjson.Indent(nil, raw, entryPrefix+"  ") }

// LayEntry returns a compact entry in the layout of the document.
func LayEntry(raw []byte) []byte { return pyjson.Indent(nil, raw, entryPrefix) }

// LaidOut returns how many bytes LayEntry makes of a compact entry.
func LaidOut(raw []byte) int { return pyjson.Indented(raw, len(entryPrefix)) }
