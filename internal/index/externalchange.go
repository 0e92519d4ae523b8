package index

import (
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A Tree says whether a version has files.
type Tree int

const (
	TreeUnknown Tree = iota // the store does not know
	NoTree
	OurTree   // files with a manifest, which a registry made
	OtherTree // other files
)

// An external is an external change while it is computed: the difference that
// another program made to a document.
//
// The other program's change is the later one: it takes turns with us, and
// wrote after our last change. So its changes count. Whatever it did not change
// is as in the history, whether that program knew it or not. If it did not know
// an event when it changed the same version, the two are merged field by field.
type external struct {
	past     *past
	ours     *State
	tree     func(version string) Tree
	event    *Event
	replaced map[string]bool // numbers that now belong to another version

	promoted   map[string]bool // versions that it put into production
	promotions map[string]bool // the raw times of these promotions
	productive map[string]bool // versions that the document has in production
}

// compare computes the other program's change.
func (x *external) compare(d *document.Document) {
	x.replaced = map[string]bool{}
	x.notePromotions(d)
	there := map[string]bool{}
	for _, e := range d.Entries {
		there[e.Version] = true
		x.compareEntry(e.Version, e.Raw)
	}
	for _, e := range x.ours.Entries {
		if !there[e.Version] {
			x.missingEntry(e)
		}
	}
}

// notePromotions records which versions the document has in production, and
// which of them the other program promoted.
func (x *external) notePromotions(d *document.Document) {
	x.promoted, x.promotions, x.productive = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range d.Entries {
		if stageOf(e.Raw) != Production {
			continue
		}
		x.productive[e.Version] = true
		before := x.past.atBase[e.Version]
		if old := x.ours.Get(e.Version); x.past.base.event == 0 && old != nil {
			before = old.Raw
		}
		at := Value(e.Raw, "promoted_to_prod")
		if stageOf(before) != Production || !sameValue(Value(before, "promoted_to_prod"), at) {
			x.promoted[e.Version], x.promotions[string(at)] = true, true
		}
	}
}

// compareEntry compares an entry of the document with the history.
func (x *external) compareEntry(version string, raw []byte) {
	ours := x.ours.Get(version)
	switch {
	case ours != nil && pyjson.Same(ours.Raw, raw):
	case x.past.wasRemoved(version, raw) && (ours == nil || differentVersions(ours.Raw, raw)):
		// An entry as the other program found it is only a copy.
		if base := x.past.atBase[version]; base == nil || !pyjson.Same(base, raw) {
			x.doubt(version, "the entry is of a version that was deleted; it stays deleted")
		}
	case ours == nil:
		x.addVersion(version, raw)
	case x.isOtherVersion(ours, raw):
		x.recordDeletion(ours)
		x.replaced[version] = true
		x.addVersion(version, raw)
	default:
		x.merge(ours, raw)
	}
}

// addVersion lists a version that the other program added. If its number was
// given out before, the event says so. The other program counts only listed
// versions.
func (x *external) addVersion(version string, raw []byte) {
	if x.past.numbers[version] != nil || x.ours.WasRemoved(version) {
		x.event.Reused = append(x.event.Reused, version)
	}
	x.event.After = append(x.event.After, Image{Version: version, Raw: raw})
}

// isOtherVersion reports whether an entry belongs to another version of the
// same number as ours. Then the other program deleted ours and registered that
// version, or did not know ours. An edited time of registration alone does not
// make another version: the files would still have our manifest.
func (x *external) isOtherVersion(ours *Entry, raw []byte) bool {
	if !differentVersions(ours.Raw, raw) {
		return false
	}
	if x.past.base.event > 0 && x.past.atBase[ours.Version] == nil {
		return true
	}
	return x.tree(ours.Version) != OurTree
}

// merge merges the entry of a version that both sides have.
func (x *external) merge(ours *Entry, raw []byte) {
	m := entryMerge{base: x.past.atBase[ours.Version], ours: ours.Raw, theirs: raw,
		proven: x.past.base.proven, presumed: x.past.base.presumed, past: x.past.entries(ours.Version), promotions: x.promotions}
	merged := m.merge()
	for _, reason := range m.doubts {
		x.doubt(ours.Version, reason)
	}
	if merged != nil {
		x.event.After = append(x.event.After, Image{Version: ours.Version, Raw: merged})
	}
}

// missingEntry decides about a version that is missing in the document. Python
// removes the files before the entry. So a version without files was deleted. A
// version whose files exist was not deleted, but the other program did not know
// it, unless the base is proven.
func (x *external) missingEntry(ours *Entry) {
	b, was := x.past.base, x.past.atBase[ours.Version] != nil
	tree := x.tree(ours.Version)
	switch {
	case b.proven && was, tree == NoTree, tree == TreeUnknown && was && b.event > 0 && !b.presumed:
		x.recordDeletion(ours)
	case b.event > 0 && !was: // the version was registered since
	case tree != TreeUnknown:
		x.doubt(ours.Version, "the entry is missing and the files are there; the version stays")
	default:
		x.doubt(ours.Version, "the entry is missing: the version was deleted, or the other program did not know it; it stays")
	}
}

func (x *external) recordDeletion(e *Entry) {
	d := deletionOf(e, x.ours.deleted.get(e.Version))
	d.by = anotherProgram
	x.event.Removed = append(x.event.Removed, e.Version)
	x.event.NewDeletions = append(x.event.NewDeletions, d)
}

func (x *external) doubt(version, reason string) {
	x.event.Doubts = append(x.event.Doubts, Doubt{version, reason})
}

// settleProduction archives a version that the history put into production and
// that the other program did not know when it promoted another version. That
// promotion is the later one, and archives the version that was in production.
func (x *external) settleProduction() {
	s := x.ours
	h := s.Holder(Production)
	if len(s.Productive) < 2 || h == nil {
		return
	}
	if !x.promoted[h.Version] {
		return
	}
	set := []pyjson.Member{{Key: "stage", Value: pyjson.Quote(Archived)}}
	if at := Value(h.Raw, "promoted_to_prod"); !sameValue(at, nil) {
		set = append(set, pyjson.Member{Key: "archived_at", Value: at})
	}
	var also []Image
	for version := range s.Productive {
		if version == h.Version || x.productive[version] { // if the document has two in production, the next change archives one
			continue
		}
		e := s.Get(version)
		also = append(also, Image{Version: version, Raw: document.Set(e.layOut(), set), Extra: withEntered(e.Extra, s.Last+1), stageRead: Archived})
	}
	at := make(map[string]int, len(x.event.After))
	for i, im := range x.event.After {
		at[im.Version] = i
	}
	for _, im := range also {
		s.Set(im)
		if i, ok := at[im.Version]; ok {
			x.event.After[i] = im
		} else {
			x.event.After = append(x.event.After, im)
		}
	}
}
