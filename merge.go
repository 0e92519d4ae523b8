package modelregistry

import (
	"bytes"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// merge takes in a document that another program wrote or edited, given the
// events that made the state. What that program changed, against the document
// that it started from, is laid over the state; the next change records it.
func (s *indexState) merge(d *document.Document, events []*event, n storeNote, inStep bool, tree func(version string) treeKind) {
	b, taken := startedFrom(n, d, events, inStep)
	if taken { // an event has it all, and the document was not replaced since
		s.keepBytes(d)
		s.keepTop(d)
		s.learn(s.facts)
		s.checkpoint, s.checkpointEnd = 0, 0
		return
	}
	s.lay(newPast(events, b), d, tree)
}

// mergeBlind is merge where nothing tells what the other program started from, nor
// which versions have files.
func (s *indexState) mergeBlind(d *document.Document, events []*event) {
	s.lay(newPast(events, base{}), d, func(string) treeKind { return treeUnknown })
}

// lay lays over the state what another program changed in the document.
func (s *indexState) lay(p *past, d *document.Document, tree func(version string) treeKind) {
	x := &external{past: p, ours: s, tree: tree, event: &event{op: opForeign, document: digest(d)}}
	x.compare(d)
	rewritten := s.rewrittenIn(d)
	s.layTop(p, d, x.event)
	s.checkpoint, s.checkpointEnd = 0, 0
	for i := range x.event.after {
		im := &x.event.after[i]
		old := s.get(im.version)
		if x.replaced[im.version] {
			old = nil
		}
		if old != nil {
			im.extra = old.extra
		}
		if old == nil || old.stage != stageOf(im.raw) {
			im.extra = entering(im.extra, s.last+1)
		}
	}
	s.effect(x.event)
	x.settleProduction()
	s.keepBytes(d)
	e := x.event
	if len(e.after)+len(e.removed) > 0 {
		s.noteProduction(opForeign)
	} else if len(e.doubts) == 0 && e.model == nil {
		if !rewritten {
			return // nothing is to be said of it
		}
		e.reason = "registry.json was written anew, and no version changed"
	}
	s.pending = e
}

// pythonKeys are the top-level keys that Python writes, whatever it changed.
var pythonKeys = []string{"model_name", "use_case", "versions", topGates}

// rewrittenIn reports whether a document says the same as the state in other
// bytes, or has keys that Python does not write. It is asked before the document
// is laid over the state.
func (s *indexState) rewrittenIn(d *document.Document) bool {
	for _, m := range d.Head {
		if !slices.Contains(pythonKeys, m.Key) {
			return true
		}
	}
	for _, e := range d.Entries {
		if mine := s.get(e.Version); mine != nil && !bytes.Equal(mine.layOut(), e.Raw) && pyjson.Equal(mine.raw, e.Raw) {
			return true
		}
	}
	return false
}

// keepBytes takes over the document's own bytes for entries that say the same.
func (s *indexState) keepBytes(d *document.Document) {
	for _, e := range d.Entries {
		if mine := s.get(e.Version); mine != nil && pyjson.Equal(mine.raw, e.Raw) {
			s.set(image{version: e.Version, raw: e.Raw, extra: mine.extra})
		}
	}
}
