package index

import (
	"bytes"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Merge merges a document that another program wrote or edited into the state.
// events are those that made the state. small says that the document is
// rewritten after every change. The other program's changes are the differences
// from the document that it started from. The next change records them.
func (s *State) Merge(d *document.Document, events []*Event, n DocumentNote, small bool, tree func(version string) Tree) {
	b, taken := startedFrom(n, d, events, small)
	if taken { // an event has all of it, and the document was not replaced since
		s.keepBytes(d)
		s.keepTop(d)
		s.SetFacts(s.Facts)
		s.Checkpoint, s.CheckpointEnd = 0, 0
		return
	}
	s.MergeWith(newPast(events, b), d, tree)
}

// MergeBlind is Merge without knowledge of what the other program started from,
// or of which versions have files.
func (s *State) MergeBlind(d *document.Document, events []*Event) {
	s.MergeWith(newPast(events, base{}), d, func(string) Tree { return TreeUnknown })
}

// MergeWith merges another program's changes to a document into the state.
func (s *State) MergeWith(p *past, d *document.Document, tree func(version string) Tree) {
	x := &external{past: p, ours: s, tree: tree, event: &Event{Op: OpForeign, Document: digest(d)}}
	x.compare(d)
	rewritten := s.rewrittenIn(d)
	s.mergeTop(p, d, x.event)
	s.Checkpoint, s.CheckpointEnd = 0, 0
	for i := range x.event.After {
		im := &x.event.After[i]
		old := s.Get(im.Version)
		if x.replaced[im.Version] {
			old = nil
		}
		if old != nil {
			im.Extra = old.Extra
		}
		if old == nil || old.Stage != stageOf(im.Raw) {
			im.Extra = withEntered(im.Extra, s.Last+1)
		}
	}
	s.effect(x.event)
	x.settleProduction()
	s.keepBytes(d)
	e := x.event
	if len(e.After)+len(e.Removed) > 0 {
		s.noteProduction(OpForeign)
	} else if len(e.Doubts) == 0 && e.Model == nil {
		if !rewritten {
			return // there is nothing to record
		}
		e.Reason = "registry.json was rewritten, and no version changed"
	}
	s.Pending = e
}

// pythonKeys are the top-level keys that Python always writes.
var pythonKeys = []string{"model_name", "use_case", "versions", GatesKey}

// rewrittenIn reports whether a document says the same as the state in other
// bytes, or has keys that Python does not write. Call it before the document is
// merged.
func (s *State) rewrittenIn(d *document.Document) bool {
	for _, m := range d.Head {
		if !slices.Contains(pythonKeys, m.Key) {
			return true
		}
	}
	for _, e := range d.Entries {
		if mine := s.Get(e.Version); mine != nil && !bytes.Equal(mine.layOut(), e.Raw) && pyjson.Equal(mine.Raw, e.Raw) {
			return true
		}
	}
	return false
}

// keepBytes takes the document's own bytes for entries that say the same.
func (s *State) keepBytes(d *document.Document) {
	for _, e := range d.Entries {
		if mine := s.Get(e.Version); mine != nil && pyjson.Equal(mine.Raw, e.Raw) {
			s.Set(Image{Version: e.Version, Raw: e.Raw, Extra: mine.Extra})
		}
	}
}
