package modelregistry

import (
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// fromOlder returns the state of a document by a release that keeps nothing it
// does not know, and puts a right checksum over the rest, with the later events
// of a whole history applied. It returns nil if the document stands at no event
// of that history.
//
// The document's entries are what the history made of them. What is kept of the
// versions and of the model beside the entries comes from the history alone. Such
// a release carries on the top-level keys, so gates there that the history does
// not have are another program's.
func fromOlder(useCase, model string, d *document.Document, events []*event, end int64) *indexState {
	at := slices.IndexFunc(events, func(e *event) bool { return e.number == d.Mark.Event && e.hash == d.Mark.Hash })
	if at < 0 {
		return nil
	}
	told := newState(useCase, model)
	for _, e := range events[:at+1] {
		told.apply(e, 0)
	}
	s := fromDocument(useCase, model, d)
	s.damage = nil // nothing that it may be in is used
	for _, e := range s.order {
		if old := told.get(e.version); old != nil && !pyjson.Equal(old.extra, e.extra) {
			s.set(image{version: e.version, raw: e.raw, extra: old.extra})
		}
	}
	s.facts = told.facts
	s.applyAll(events[at+1:], end)
	s.takeGates(told.facts, d)
	return s
}
