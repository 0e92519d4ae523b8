package modelregistry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/document"
)

// note is what the store notes of a document of the state: the event that it
// stands at, and that event's digest, because another history may have an event
// of that number too.
func (s *indexState) note() string { return fmt.Sprint(s.last, " ", s.hash) }

// A storeNote is what a store noted of the document that it put in place last.
type storeNote struct {
	text string // as indexState.note returned it; empty if it is not known
	kept bool   // the store keeps such notes
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
// was not replaced. If this is that document, taken is true. Otherwise it started
// from that one, which is what the event made of the model, provided that nothing
// came between. An editor may also put an older document back, with our key in it;
// the note then says that a later one had taken its place.
//
// A store without notes keeps its documents on a service that loses none. There
// a document that is in step with every change most likely was when the other
// program read it.
func startedFrom(n storeNote, d *document.Document, events []*event, inStep bool) (b base, taken bool) {
	hash, replaced := "", false
	switch {
	case d.Mark == nil && n.kept:
		b.event, hash = parseNote(n.text)
	case d.Mark == nil && inStep:
		return base{event: events[len(events)-1].number, presumed: true}, false
	case d.Mark != nil:
		b, hash = base{event: d.Mark.Event, proven: true}, d.Mark.Hash
		if n.kept {
			last, _ := parseNote(n.text)
			replaced = last > d.Mark.Event
		}
	}
	at := slices.IndexFunc(events, func(e *event) bool { return e.number == b.event && e.hash == hash })
	if at < 0 {
		return base{}, false
	}
	known := true
	for i, e := range events[at+1:] {
		switch {
		case replaced: // an older document was put back: our key says what it is
			taken = taken || e.op == opForeign && e.document == digest(d)
		case e.op == opForeign && i == 0 && e.doubts == nil:
			b, taken = base{event: e.number}, e.document == digest(d)
		case e.op == opForeign || e.op == opImport:
			known, taken = false, e.document == digest(d)
		case e.unnoted && !b.proven:
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
