package index

import (
	"bytes"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// GatesKey is the key under which Ubunye since 0.7 keeps a model's gates, after
// "versions" in registry.json. The facts about a model mirror it under the same
// key.
const GatesKey = "promotion_gates"

// noFacts is the "model" of an event that leaves no facts about a model.
const noFacts = "{}"

// Facts are what the registry keeps about a model itself: the object "model" of
// the last event that changed it, and of our key in registry.json. Members that
// this release does not know are kept. Facts are immutable.
type Facts struct {
	raw     []byte              // the object, on one line; nil for nothing
	unknown []string            // what a writer must understand and this release does not
	aliases map[string]string   // from alias to version
	named   map[string][]string // from version to its aliases, sorted
	Decoded *atomic.Value       // for the caller's decoded form; nil if there are no facts
}

// ReadFacts reads a raw object.
func ReadFacts(raw []byte) Facts {
	if len(raw) == 0 {
		return Facts{}
	}
	f := Facts{raw: pyjson.Compact(nil, raw), unknown: format.Unknown(raw)}
	if aliases := f.Get(aliasesKey); aliases != nil {
		f.aliases = readAliases(aliases)
		f.named = make(map[string][]string, len(f.aliases))
		for _, alias := range slices.Sorted(maps.Keys(f.aliases)) {
			version := f.aliases[alias]
			f.named[version] = append(f.named[version], alias)
		}
	}
	if string(f.raw) == noFacts {
		f.raw = nil
	} else {
		f.Decoded = new(atomic.Value)
	}
	return f
}

// Get returns the raw value of a member, or nil if there is none.
func (f Facts) Get(key string) []byte {
	if len(f.raw) == 0 {
		return nil
	}
	return Value(f.raw, key)
}

// SameGates reports whether other facts have the same gates.
func (f Facts) SameGates(other Facts) bool {
	return f.Decoded == other.Decoded || bytes.Equal(f.Get(GatesKey), other.Get(GatesKey))
}

// NamedOtherwise returns the versions that have other aliases in other facts.
func (f Facts) NamedOtherwise(other Facts) map[string]bool {
	if f.Decoded == other.Decoded {
		return nil
	}
	versions := map[string]bool{}
	for _, a := range []Facts{f, other} {
		for version := range a.named {
			if !slices.Equal(f.named[version], other.named[version]) {
				versions[version] = true
			}
		}
	}
	return versions
}

// with returns the facts with a member set.
func (f Facts) with(key string, value []byte) Facts { return ReadFacts(withMember(f.raw, key, value)) }

// withMember returns an object with a member set, as its last one, or without
// that member if the value is nil. It returns nil if no member is left. raw may
// be empty.
func withMember(raw []byte, key string, value []byte) []byte {
	b := []byte{'{'}
	add := func(key, value []byte) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	if len(raw) > 0 {
		members, _ := pyjson.Object(raw)
		for _, m := range members {
			if m.Key != key {
				add(m.Raw, m.Value)
			}
		}
	}
	if value != nil {
		add(pyjson.Quote(key), value)
	}
	if len(b) == 1 {
		return nil
	}
	return append(b, '}')
}

// image returns the facts for an event that changes or repeats them.
func (f Facts) image() []byte {
	if len(f.raw) == 0 {
		return []byte(noFacts)
	}
	return f.raw
}

// Writable returns a *NeedsError if this release may not change the model, or
// nil.
func (f Facts) Writable() error {
	if len(f.unknown) > 0 {
		return &NeedsError{f.unknown}
	}
	return nil
}

// SetFacts sets the facts, and mirrors their gates in the document's top-level
// keys.
func (s *State) SetFacts(f Facts) {
	s.Size += int64(len(f.raw) - len(s.Facts.raw))
	s.Facts = f
	s.Head = withGates(s.Head, f.Get(GatesKey))
	s.altered()
}

// withGates returns the top-level keys of a document with the model's gates
// where Ubunye writes them. If gates is nil the keys stay as they are, because
// a "promotion_gates" that another program wrote is not ours to remove.
func withGates(head []pyjson.Member, gates []byte) []pyjson.Member {
	if gates == nil {
		return head
	}
	m := pyjson.Member{Key: GatesKey, Value: pyjson.Indent(nil, gates, "  ")}
	for i, old := range slices.Backward(head) { // if there are two, Python reads the last
		switch {
		case old.Key != GatesKey:
		case pyjson.Equal(old.Value, gates):
			return head // keep the other program's layout
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

// headGates returns the model's gates in the top-level keys of a document, on
// one line, or nil if the key is missing.
func headGates(head []pyjson.Member) (raw []byte) {
	for _, m := range head {
		if m.Key == GatesKey {
			raw = pyjson.Compact(nil, m.Value)
		}
	}
	return raw
}

// MergeGates merges the model's gates in a document that another program wrote
// into the state. base are the facts at the event that the document started
// from. A change by the other program wins. A document without the key says
// nothing, because releases of Ubunye before 0.7 drop it. MergeGates reports
// whether the facts changed.
func (s *State) MergeGates(base Facts) (changed bool) {
	theirs, f := headGates(s.Head), s.Facts
	if theirs != nil && !pyjson.Equal(theirs, base.Get(GatesKey)) && !pyjson.Equal(theirs, f.Get(GatesKey)) {
		f = f.with(GatesKey, theirs)
		if changed = !sameGates(f.Get(GatesKey), s.Facts.Get(GatesKey)); !changed { // for example {} and a missing key
			f = s.Facts
		}
	}
	s.SetFacts(f)
	return changed
}

// mergeTop merges the rest of a document that another program wrote into the
// state: top-level keys, the model's gates among them, and the parts of our key
// that an editor left. The event diff gets the facts if they changed.
func (s *State) mergeTop(p *past, d *document.Document, diff *Event) {
	base := s.Facts
	if p.base.event > 0 {
		base = p.facts
	}
	s.keepTop(d)
	if s.MergeGates(base) {
		diff.Model = s.Facts.raw
	}
	s.dropReusedAliases(diff)
}

// keepTop sets the state's top-level keys to the document's, and takes what an
// editor left of our key, except the members about single versions.
func (s *State) keepTop(d *document.Document) {
	s.Head = d.Head
	if d.Mark != nil {
		s.Others = d.Mark.Others
		before := s.deleted.size
		s.deleted.load(WithMembers(d.Mark.Deleted, s.deleted.object()))
		s.Size += s.deleted.size - before
	}
}

// FactsAt returns the facts after an event.
func FactsAt(events []*Event, number int64) (f Facts) {
	for _, e := range events {
		if e.Model != nil && e.Number <= number {
			f = ReadFacts(e.Model)
		}
	}
	return f
}

// AdoptGates takes over the model's gates of a document that we wrote. base are
// the facts at the event that the document includes. The gates equal the
// history's, unless an older release took in another program's document. In
// that case the next change records them.
func (s *State) AdoptGates(base Facts, d *document.Document) {
	s.Head = d.Head
	if s.MergeGates(base) {
		s.Pending = &Event{Op: OpForeign, Model: s.Facts.raw}
	}
}
