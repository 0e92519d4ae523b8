package modelregistry

import (
	"bytes"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// merge takes in a document that another program wrote or edited. What that
// program changed, against the document that it started from, is laid over what
// the history has; the next change records it.
func (m *model) merge(v driver.View, d *document.Document) (*state, error) {
	s, events, err := m.replay(v)
	if err != nil {
		return nil, err
	}
	if s.last == 0 || d.Mark != nil && d.Mark.Event > s.last { // it never had a history, or lost it
		return m.lost(v, fromDocument(m.name, d))
	}
	b, taken := startedFrom(v, d, events, s.size <= m.r.lag.small)
	if taken { // an event has it all, and the document was not replaced since
		s.keepBytes(d)
		s.keepTop(d)
		s.learn(s.facts)
		s.checkpoint, s.checkpointEnd = 0, 0
		return s, nil
	}
	s.lay(newPast(events, b), d, m.treeKind(v))
	return s, nil
}

// treeKind returns how to look what kind of tree a version has. It reports false
// if that can't be told.
func (m *model) treeKind(v driver.View) func(version string) (driver.ItemKind, bool) {
	trees, ok := v.(driver.TreeView)
	return func(version string) (driver.ItemKind, bool) {
		if !ok {
			return "", false
		}
		kind, err := trees.Tree(version)
		return kind, err == nil
	}
}

// lay lays over the state what another program changed in the document.
func (s *state) lay(p *past, d *document.Document, tree func(version string) (driver.ItemKind, bool)) {
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
func (s *state) rewrittenIn(d *document.Document) bool {
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
func (s *state) keepBytes(d *document.Document) {
	for _, e := range d.Entries {
		if mine := s.get(e.Version); mine != nil && pyjson.Equal(mine.raw, e.Raw) {
			s.set(image{version: e.Version, raw: e.Raw, extra: mine.extra})
		}
	}
}
