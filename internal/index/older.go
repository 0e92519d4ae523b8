package index

import (
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// FromOlder returns the state of a document by a release that keeps nothing it
// does not know, and puts a right checksum over the rest, with the later events
// of a whole history applied. It returns nil if the document stands at no event
// of that history.
//
// The document's entries are what the history made of them. What is kept of the
// versions and of the model beside the entries comes from the history alone.
// Such a release carries on the top-level keys, so gates there that the history
// does not have are another program's.
func FromOlder(useCase, model string, d *document.Document, events []*Event, end int64) *State {
	at := slices.IndexFunc(events, func(e *Event) bool { return e.Number == d.Mark.Event && e.Hash == d.Mark.Hash })
	if at < 0 {
		return nil
	}
	told := New(useCase, model)
	for _, e := range events[:at+1] {
		told.Apply(e, 0)
	}
	s := FromDocument(useCase, model, d)
	s.Damage = nil // nothing that it may be in is used
	for _, e := range s.Entries {
		if old := told.Get(e.Version); old != nil && !pyjson.Equal(old.Extra, e.Extra) {
			s.Set(Image{Version: e.Version, Raw: e.Raw, Extra: old.Extra})
		}
	}
	s.Facts = told.Facts
	s.ApplyAll(events[at+1:], end)
	s.TakeGates(told.Facts, d)
	return s
}
