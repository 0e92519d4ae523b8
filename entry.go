package modelregistry

import (
	"sync/atomic"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// An entry is one version, immutable but for layOut. It stays raw but for what every change has to
// know of every version.
type entry struct {
	version string
	pos     int
	raw     []byte       // as the document holds it,
	compact bool         // or as an event does, until layOut
	extra   []byte       // what the registry keeps of it beside, as JSON on one line; nil for nothing
	size    int64        // about what it takes in the document, in bytes
	stage   string       // as its raw value has it
	entered int64        // the event by which it entered its stage, 0 for none
	decoded atomic.Value // what the user of the entry made of it and keeps here
}

func newEntry(im *image, pos int) *entry {
	e := &entry{version: im.version, pos: pos, raw: im.raw, compact: im.compact, extra: im.extra, stage: im.stage()}
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
