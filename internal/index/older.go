package index

import (
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// FromOlder returns the state of a document by an older release, with the later
// events of a whole history applied. Such a release drops members that it does
// not know, and writes a valid checksum over the rest. FromOlder returns nil if
// the event in the document's mark is not in that history.
//
// The document's entries are those of the history at that event. What is kept
// about the versions and the model outside the entries comes from the history
// alone. The older release keeps top-level keys. So gates in these keys that
// the history does not have are another program's.
func FromOlder(useCase, model string, d *document.Document, events []*Event, end int64) *State {
	at := slices.IndexFunc(events, func(e *Event) bool { return e.Number == d.Mark.Event && e.Hash == d.Mark.Hash })
	if at < 0 {
		return nil
	}
	fromHistory := New(useCase, model)
	for _, e := range events[:at+1] {
		fromHistory.Apply(e, 0)
	}
	s := FromDocument(useCase, model, d)
	s.Damage = nil // the damaged part of the document is not used
	for _, e := range s.Entries {
		if old := fromHistory.Get(e.Version); old != nil && !pyjson.Equal(old.Extra, e.Extra) {
			s.Set(Image{Version: e.Version, Raw: e.Raw, Extra: old.Extra})
		}
	}
	s.Facts = fromHistory.Facts
	s.ApplyAll(events[at+1:], end)
	s.AdoptGates(fromHistory.Facts, d)
	return s
}
