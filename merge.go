package modelregistry

import (
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// merge takes in a document that somebody else wrote or edited. What it changed
// against the checkpoint that it started from is laid over what the log has,
// entry by entry; the next change records it.
func (m *model) merge(v View, d *document.Document) (*state, error) {
	s, events, err := m.replay(v)
	if err != nil {
		return nil, err
	}
	if s.last == 0 { // it never had a history, or lost it
		return m.lost(v, fromDocument(m.name, d))
	}
	base := startedFrom(events, d)
	if base > s.last {
		s := fromDocument(m.name, d)
		return m.lost(v, s)
	}
	s.lay(events, d, base)
	return s, nil
}

// lay lays over the state what somebody else changed in a document that started
// from the event base or a later one.
func (s *state) lay(events []*event, d *document.Document, base int64) {
	diff := foreignChanges(events, base, s, d)
	s.layTop(events, d, diff)
	s.checkpoint, s.checkpointEnd = 0, 0
	for i := range diff.after {
		im := &diff.after[i]
		old := s.get(im.version)
		if old != nil {
			im.extra = old.extra
		}
		if old == nil || old.stage != stageOf(im.raw) {
			im.extra = entering(im.extra, s.last+1)
		}
		s.set(*im)
	}
	for _, version := range diff.removed {
		s.remove(version)
	}
	s.keepBytes(d)
	if len(diff.after)+len(diff.removed) > 0 {
		s.noteProduction(opForeign)
	}
	s.pending = diff
}

// startedFrom returns an event that a document which somebody else wrote started
// from, or from a later one.
func startedFrom(events []*event, d *document.Document) int64 {
	if d.Mark != nil {
		return d.Mark.Event
	}
	return events[len(events)-1].checkpoint
}

// keepBytes takes over the document's own bytes for entries that say the same.
func (s *state) keepBytes(d *document.Document) {
	for _, e := range d.Entries {
		if mine := s.get(e.Version); mine != nil && pyjson.Equal(mine.raw, e.Raw) {
			s.set(image{version: e.Version, raw: e.Raw, extra: mine.extra})
		}
	}
}

// foreignChanges compares a document that somebody else left with the history. An
// entry that equals any image which the history gave it since base, whatever order its keys are in, for jq and others sort
// them, is merely old, and the history's last word stands. An entry that equals none was changed or
// added. One that is missing was removed, if it was there at base, or at the later checkpoint that
// the document proves to have started from; one that was registered later may simply not have been in that, and is kept.
func foreignChanges(events []*event, base int64, now *state, d *document.Document) *event {
	// An image that the history gave at some event is in documents from then on: its
	// being there, or that of one changed since, tells that the other program read a later checkpoint than base. One that
	// the history has from another program proves nothing: this may be the very document it came with,
	// not yet written anew.
	known, proof := since(events, base), base
	for _, e := range d.Entries {
		for i, im := range known[e.Version] {
			if im.foreign {
				continue
			}
			same := pyjson.Same(im.raw, e.Raw)
			if same || i == 0 && sameRegistration(im.raw, e.Raw) {
				proof = max(proof, im.event)
			}
			if same {
				break
			}
		}
	}
	images := since(events, proof)
	diff := &event{op: opForeign}
	inDoc := map[string]bool{}
	for _, e := range d.Entries {
		inDoc[e.Version] = true
		old := slices.ContainsFunc(images[e.Version], func(im pastImage) bool { return pyjson.Same(im.raw, e.Raw) })
		if !old {
			diff.after = append(diff.after, image{version: e.Version, raw: e.Raw})
		}
	}
	for _, e := range now.order {
		past := images[e.version]
		if !inDoc[e.version] && len(past) > 0 && past[0].event <= proof {
			diff.removed = append(diff.removed, e.version)
		}
	}
	return diff
}

// sameRegistration reports whether two images are of one registration, and not of two that gave out the
// same number.
func sameRegistration(a, b []byte) bool {
	at := func(raw []byte) string {
		if len(raw) == 0 || raw[0] != '{' {
			return ""
		}
		return string(member(raw, "registered_at"))
	}
	return len(at(a)) > len("null") && at(a) == at(b)
}

// A pastImage is what an event made of an entry.
type pastImage struct {
	event   int64
	foreign bool
	raw     []byte
}

// since returns each entry's image at an event, if it was there, and those that
// later events gave it, in order.
func since(events []*event, base int64) map[string][]pastImage {
	images := map[string][]pastImage{}
	for _, e := range events {
		if e.reset {
			clear(images)
		}
		for _, v := range e.removed {
			delete(images, v)
		}
		for _, im := range e.after {
			if e.number <= base {
				delete(images, im.version)
			}
			images[im.version] = append(images[im.version], pastImage{e.number, e.op == opForeign, im.raw})
		}
	}
	return images
}
