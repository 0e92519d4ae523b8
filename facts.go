package modelregistry

import (
	"slices"
	"sync/atomic"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// topGates is the key under which Ubunye since 0.7 keeps a model's gates, after
// "versions" in registry.json. The facts of a model mirror it under the same key.
const topGates = "promotion_gates"

// noFacts is how an event says that nothing is kept of a model.
const noFacts = "{}"

// facts are what the registry keeps of a model beside its versions: the object
// "model" of the event that changed it last, and of our key in registry.json.
// Members that this release does not know are kept. Facts are immutable.
type facts struct {
	raw     []byte        // the object, on one line; nil for nothing
	unknown []string      // what a writer must understand, and this release does not
	decoded *atomic.Value // what the user of the facts made of them and keeps here; nil if raw is nil
}

// readFacts reads a raw object.
func readFacts(raw []byte) facts {
	if len(raw) == 0 {
		return facts{}
	}
	f := facts{raw: pyjson.Compact(nil, raw), unknown: format.Unknown(raw)}
	if string(f.raw) == noFacts {
		f.raw = nil
	} else {
		f.decoded = new(atomic.Value)
	}
	return f
}

// get returns the raw value of a member, nil if there is none.
func (f facts) get(key string) []byte {
	if len(f.raw) == 0 {
		return nil
	}
	return member(f.raw, key)
}

// with returns the facts with a member set.
func (f facts) with(key string, value []byte) facts {
	b := []byte{'{'}
	add := func(key, value []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	if len(f.raw) > 0 {
		members, _ := pyjson.Object(f.raw)
		for _, m := range members {
			if m.Key != key {
				add(m.Raw, m.Value)
			}
		}
	}
	add(pyjson.Quote(key), value)
	return readFacts(append(b, '}'))
}

// image returns the facts as an event carries them that changes or restates them.
func (f facts) image() []byte {
	if len(f.raw) == 0 {
		return []byte(noFacts)
	}
	return f.raw
}

// writable returns a *needsError if this release may not change the model, or
// nil.
func (f facts) writable() error {
	if len(f.unknown) > 0 {
		return &needsError{f.unknown}
	}
	return nil
}

// learn takes over facts, and has the document's top-level gates mirror them.
func (s *indexState) learn(f facts) {
	s.size += int64(len(f.raw) - len(s.facts.raw))
	s.facts = f
	s.head = withGates(s.head, f.get(topGates))
	s.altered()
}

// withGates returns the top-level keys of a document with the model's gates where
// Ubunye writes them. Without gates the keys stay as they are: another program's
// "promotion_gates" is no claim of ours.
func withGates(head []pyjson.Member, gates []byte) []pyjson.Member {
	if gates == nil {
		return head
	}
	m := pyjson.Member{Key: topGates, Value: pyjson.Indent(nil, gates, "  ")}
	for i, old := range slices.Backward(head) { // of two, Python takes the last
		switch {
		case old.Key != topGates:
		case pyjson.Equal(old.Value, gates):
			return head // as the other program laid it out
		default:
			m.Raw = old.Raw
			head = slices.Clone(head)
			head[i] = m
			return head
		}
	}
	after := 1 + slices.IndexFunc(head, func(m pyjson.Member) bool { return m.Key == "versions" })
	return slices.Insert(slices.Clone(head), after, m)
}

// headGates returns the model's gates as the top-level keys of a document have
// them, on one line; nil if the key is not there.
func headGates(head []pyjson.Member) (raw []byte) {
	for _, m := range head {
		if m.Key == topGates {
			raw = pyjson.Compact(nil, m.Value)
		}
	}
	return raw
}

// layGates lays over the state the model's gates that another program left in a
// document, given the facts at the event that the document started from. A
// change by the other program wins. A document without the key says nothing:
// releases of Ubunye before 0.7 drop it. It reports whether the facts changed.
func (s *indexState) layGates(base facts) (changed bool) {
	theirs, f := headGates(s.head), s.facts
	if theirs != nil && !pyjson.Equal(theirs, base.get(topGates)) && !pyjson.Equal(theirs, f.get(topGates)) {
		f = f.with(topGates, theirs)
		if changed = !sameGates(f.get(topGates), s.facts.get(topGates)); !changed { // {} and no key, say
			f = s.facts
		}
	}
	s.learn(f)
	return changed
}

// layTop lays over the state what another program left in a document beside the
// entries: top-level keys, the model's gates among them, and what an editor left
// of our key. The event diff carries the facts if they changed.
func (s *indexState) layTop(p *past, d *document.Document, diff *event) {
	base := s.facts
	if p.base.event > 0 {
		base = p.facts
	}
	s.keepTop(d)
	if s.layGates(base) {
		diff.model = s.facts.raw
	}
}

// keepTop takes over a document's top-level keys, and what an editor left of our
// key beside the entries.
func (s *indexState) keepTop(d *document.Document) {
	s.head = d.Head
	if d.Mark != nil {
		s.others = d.Mark.Others
		s.deleted = withMembers(d.Mark.Deleted, s.deleted)
	}
}

// factsAt returns the facts at an event.
func factsAt(events []*event, number int64) (f facts) {
	for _, e := range events {
		if e.model != nil && e.number <= number {
			f = readFacts(e.model)
		}
	}
	return f
}

// takeGates takes over the model's gates of a document of ours, given the facts at
// the event that it stands at. They are the history's, unless an older release took
// in another program's document: then the next change records what they ask for.
func (s *indexState) takeGates(base facts, d *document.Document) {
	s.head = d.Head
	if s.layGates(base) {
		s.pending = &event{op: opForeign, model: s.facts.raw}
	}
}
