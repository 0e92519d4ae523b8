package index

import (
	"sync/atomic"
	"time"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// An Entry is one version. It stays raw, except for the facts that every change
// needs about every version. It does not change, except that a writer may lay
// it out.
type Entry struct {
	Version string
	Raw     []byte // in the layout of the document, or compact until it is laid out
	Extra   []byte // what the registry keeps about the version, as JSON on one line; nil for nothing
	Stage   string // the stage in Raw
	Entered int64  // the event by which it entered its stage; 0 if unknown

	// Decoded is for the caller, which can keep the decoded form of Raw and
	// Extra here.
	Decoded atomic.Value

	compact bool  // Raw is compact, as in an event
	pos     int   // place in the order of registration; places of removed entries stay empty
	size    int64 // about its size in the document, in bytes
}

func newEntry(im *Image, pos int) *Entry {
	e := &Entry{Version: im.Version, pos: pos, Raw: im.Raw, compact: im.compact, Extra: im.Extra, Stage: im.Stage()}
	e.Entered, _ = checkExtra(im.Extra)
	e.size = e.documentSize()
	return e
}

func (e *Entry) image() Image {
	return Image{Version: e.Version, Raw: e.Raw, compact: e.compact, Extra: e.Extra, stageRead: e.Stage}
}

// layOut puts the entry into the layout of the document, and returns its bytes.
// Only writers call it, so that readers don't pay for it. No other goroutine
// may use the entry meanwhile.
func (e *Entry) layOut() []byte {
	if e.compact {
		e.Raw, e.compact = document.LayEntry(e.Raw), false
	}
	return e.Raw
}

// documentSize returns about how many bytes the entry has in the document, laid
// out or not.
func (e *Entry) documentSize() int64 {
	n := len(e.Raw)
	if e.compact {
		n = document.LaidOut(e.Raw)
	}
	return int64(n + len(e.Extra) + 2*len(e.Version) + 32)
}

// Value returns the raw value of a member of a raw object, or nil if there is
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

// newer reports whether e entered its stage after other. It compares the
// events, or otherwise the times in the entries, or otherwise the places.
func (e *Entry) newer(other *Entry) bool {
	if e.Entered != other.Entered {
		return e.Entered > other.Entered
	}
	if x, y := e.EnteredAt(), other.EnteredAt(); !x.Equal(y) {
		return x.After(y)
	}
	return e.pos > other.pos
}

// EnteredAt returns the time in the entry at which the version entered its
// stage.
func (e *Entry) EnteredAt() time.Time { return e.timeIn(e.Stage) }

// timeIn returns the time in the entry at which the version last entered a
// stage, or the zero time if it never did.
func (e *Entry) timeIn(stage string) time.Time {
	key := stageTimeKeys[stage]
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
