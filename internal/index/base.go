package index

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/document"
)

// Note is what the store notes of a document of the state: the event that it
// stands at, and that event's digest, because another history may have an event
// of that number too.
func (s *State) Note() string { return fmt.Sprint(s.Last, " ", s.Hash) }

// A Note is what a store noted of the document that it put in place last.
type Note struct {
	Text string // as State.Note returned it; empty if it is not known
	Kept bool   // the store keeps such notes
}

// A base is the event at which the document stood that another program read
// before it wrote its own. The zero base says that it is not known.
type base struct {
	event    int64
	proven   bool // the other program left our key, which says so
	presumed bool // nothing says so, and it is likely
}

// startedFrom returns what a document that another program wrote started from:
// what our key says, if an editor left it, or else what the store noted when it
// put the last document in place. Neither counts if the history has another
// event of that number, or if a release that leaves no note wrote since.
//
// If an external change was recorded since, the document that it was taken from
// was not replaced. If this is that document, taken is true. Otherwise it
// started from that one, which is what the event made of the model, provided
// that nothing came between. An editor may also put an older document back,
// with our key in it; the note then says that a later one had taken its place.
//
// A store without notes keeps its documents on a service that loses none. There
// a document that is in step with every change most likely was when the other
// program read it.
func startedFrom(n Note, d *document.Document, events []*Event, inStep bool) (b base, taken bool) {
	hash, replaced := "", false
	switch {
	case d.Mark == nil && n.Kept:
		b.event, hash = parseNote(n.Text)
	case d.Mark == nil && inStep:
		return base{event: events[len(events)-1].Number, presumed: true}, false
	case d.Mark != nil:
		b, hash = base{event: d.Mark.Event, proven: true}, d.Mark.Hash
		if n.Kept {
			last, _ := parseNote(n.Text)
			replaced = last > d.Mark.Event
		}
	}
	at := slices.IndexFunc(events, func(e *Event) bool { return e.Number == b.event && e.Hash == hash })
	if at < 0 {
		return base{}, false
	}
	known := true
	for i, e := range events[at+1:] {
		switch {
		case replaced: // an older document was put back: our key says what it is
			taken = taken || e.Op == OpForeign && e.Document == digest(d)
		case e.Op == OpForeign && i == 0 && e.Doubts == nil:
			b, taken = base{event: e.Number}, e.Document == digest(d)
		case e.Op == OpForeign || e.Op == OpImport:
			known, taken = false, e.Document == digest(d)
		case e.Unnoted && !b.proven:
			return base{}, false
		}
	}
	if !known {
		b = base{}
	}
	return b, taken
}

// digest tells a document from others.
func digest(d *document.Document) string {
	sum := sha256.Sum256(d.Bytes)
	return hex.EncodeToString(sum[:])
}

func parseNote(note string) (event int64, hash string) {
	number, hash, cut := strings.Cut(note, " ")
	event, err := strconv.ParseInt(number, 10, 64)
	if !cut || err != nil {
		return 0, ""
	}
	return event, hash
}
