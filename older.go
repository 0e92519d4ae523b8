package modelregistry

import (
	"errors"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// followOlder is follow for a document by a release that keeps nothing it does
// not know, and puts a right checksum over the rest. Its entries are what the
// history made of them; what is kept of the versions and of the model beside the
// entries comes from the history alone. Such a release carries on the top-level
// keys, so gates there that the history does not have are another program's.
func (m *model) followOlder(v driver.View, d *document.Document) (*state, error) {
	lines, end, err := m.readLog(v, 0)
	var corrupt *CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return nil, err
	}
	events, damage := m.parseLog(lines, 0, 0, "")
	at := slices.IndexFunc(events, func(e *event) bool { return e.number == d.Mark.Event && e.hash == d.Mark.Hash })
	if err != nil || damage != nil || at < 0 {
		return m.followDamaged(v, d, lines)
	}
	told := newState(m.name)
	for _, e := range events[:at+1] {
		told.apply(e, 0)
	}
	s := fromDocument(m.name, d)
	s.damage = nil // nothing that it may be in is used
	for _, e := range s.order {
		if old := told.get(e.version); old != nil && !pyjson.Equal(old.extra, e.extra) {
			s.set(image{version: e.version, raw: e.raw, extra: old.extra})
		}
	}
	s.facts = told.facts
	s.applyAll(events[at+1:], end)
	s.takeGates(told.facts, d)
	return s, nil
}

// followDamaged is followOlder where the history before the document can't be
// read as a whole, or is another one. Of the model it takes what can be read there.
func (m *model) followDamaged(v driver.View, d *document.Document, lines []byte) (*state, error) {
	var x modelCheck
	x.readLog(lines)
	s := fromDocument(m.name, d)
	s.facts = factsAt(x.events(), d.Mark.Event)
	return m.follow(v, d, s)
}

// sameMembers reports whether two lists of members say the same.
func sameMembers(a, b []pyjson.Member) bool {
	return slices.EqualFunc(a, b, func(x, y pyjson.Member) bool { return x.Key == y.Key && pyjson.Equal(x.Value, y.Value) })
}
