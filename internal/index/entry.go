package index

import (
	"sync/atomic"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// An Entry is one version. It stays raw but for what every change has to know
// of every version. It does not change, except that a writer lays it out.
type Entry struct {
	Version string
	Raw     []byte // as the document holds it, or compact until it is laid out
	Extra   []byte // what the registry keeps beside it, as JSON on one line; nil for nothing
	Stage   string // as Raw has it
	Entered int64  // the event by which it entered its stage, 0 for none

	// Decoded is for the user of the entry, to keep what it made of Raw and
	// Extra.
	Decoded atomic.Value

	compact bool  // Raw is as an event holds it
	pos     int   // in the order of registration
	size    int64 // about what it takes in the document, in bytes
}

func newEntry(im *Image, pos int) *Entry {
	e := &Entry{Version: im.Version, pos: pos, Raw: im.Raw, compact: im.compact, Extra: im.Extra, Stage: im.Stage()}
	e.Entered, _ = checkExtra(im.Extra)
	e.size = e.takes()
	return e
}

func (e *Entry) image() Image {
	return Image{Version: e.Version, Raw: e.Raw, compact: e.compact, Extra: e.Extra, stageRead: e.Stage}
}

// layOut lays the entry out as the document holds it, and returns its bytes.
// Only writers do that, so that readers need not pay for it. No other goroutine
// may use the entry meanwhile.
func (e *Entry) layOut() []byte {
	if e.compact {
		e.Raw, e.compact = document.LayEntry(e.Raw), false
	}
	return e.Raw
}

// takes returns about how many bytes the entry takes in the document, laid out
// or not.
func (e *Entry) takes() int64 {
	n := len(e.Raw)
	if e.compact {
		n = document.LaidOut(e.Raw)
	}
	return int64(n + len(e.Extra) + 2*len(e.Version) + 32)
}

// Value returns the raw value of a member of a raw object, nil if there is
// none.
func Value(raw []byte, key string) (value []byte) {
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
func (e *Entry) newer(other *Entry) bool {
	if e.Entered != other.Entered {
		return e.Entered > other.Entered
	}
	if x, y := e.EnteredAt(), other.EnteredAt(); !x.Equal(y) {
		return x.After(y)
	}
	return e.pos > other.pos
}

// EnteredAt returns when the version entered its stage, as its entry has it.
func (e *Entry) EnteredAt() time.Time {
	key := stamped[e.Stage]
	if key == "" {
		key = "registered_at"
	}
	if len(e.Raw) == 0 || e.Raw[0] != '{' {
		return time.Time{}
	}
	raw := Value(e.Raw, key)
	if len(raw) == 0 || raw[0] != '"' {
		return time.Time{}
	}
	t, err := parseTime(pyjson.Text(raw))
	if err != nil {
		return time.Time{}
	}
	return t
}
