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

// DocumentNote returns the text that the store notes about a document of this
// state: the last event, and its digest, because another history may have an
// event of that number too.
func (s *State) DocumentNote() string { return fmt.Sprint(s.Last, " ", s.Hash) }

// A DocumentNote is the store's note about the document that it put in place
// last.
type DocumentNote struct {
	Text string // from State.DocumentNote; empty if it is not known
	Kept bool   // whether the store keeps notes
}

// A base is the event whose document another program read before it wrote its
// own. The zero base says that the event is not known.
type base struct {
	event    int64
	proven   bool // the document still has our key, which names the event
	presumed bool // a likely event, without evidence
}

// startedFrom returns the base of a document that another program wrote. Our
// key in the document names it, if an editor left the key. Otherwise the
// store's note about the last document names it. Neither counts if the history
// has another event of that number, or if a release without notes wrote since.
//
// If an external change was recorded since, the document that it was read from
// is still in place. If d is that document, taken is true. Otherwise the other
// program started from that document, whose contents are those of the recorded
// event, provided that nothing else was recorded in between. An editor may also
// put an older document back, with our key in it. The note then names a later
// event than the key.
//
// A store without notes keeps its documents on a service that does not lose
// them. If the document is small, it is written after every change, so it was
// most likely current when the other program read it.
func startedFrom(n DocumentNote, d *document.Document, events []*Event, small bool) (b base, taken bool) {
	hash, replaced := "", false
	switch {
	case d.Mark == nil && n.Kept:
		b.event, hash = parseNote(n.Text)
	case d.Mark == nil && small:
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
		case replaced: // an older document was put back; its key names its event
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

// digest identifies a document.
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
