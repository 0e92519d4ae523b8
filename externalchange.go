package modelregistry

import (
	"slices"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A treeKind says whether there are files of a version.
type treeKind int

const (
	treeUnknown treeKind = iota // the store can't tell
	treeNone
	treeOurs  // files with a manifest, which a registry made
	treeOther // other files
)

// An external is what another program made of a document, as it is being found
// out.
//
// The other program's change is the later one: it takes turns with us, and wrote
// after our last change. So what it changed counts, and what it left alone is
// as the history has it, whether it saw that or not. What it did without knowing
// of an event is merged field by field.
type external struct {
	past     *past
	ours     *indexState
	tree     func(version string) treeKind
	event    *event
	replaced map[string]bool // numbers that another version has now

	promoted   map[string]bool // versions that it put into production
	promotions map[string]bool // when it did, raw
	productive map[string]bool // versions that the document has in production
}

// compare finds out what the other program did.
func (x *external) compare(d *document.Document) {
	x.replaced = map[string]bool{}
	x.notePromotions(d)
	there := map[string]bool{}
	for _, e := range d.Entries {
		there[e.Version] = true
		x.entry(e.Version, e.Raw)
	}
	for _, e := range x.ours.order {
		if !there[e.version] {
			x.missing(e)
		}
	}
}

// notePromotions notes which versions the document has in production, and which
// of them were not there before, or were promoted once more.
func (x *external) notePromotions(d *document.Document) {
	x.promoted, x.promotions, x.productive = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range d.Entries {
		if stageOf(e.Raw) != stageProduction {
			continue
		}
		x.productive[e.Version] = true
		before := x.past.then[e.Version]
		if old := x.ours.get(e.Version); x.past.base.event == 0 && old != nil {
			before = old.raw
		}
		at := member(e.Raw, "promoted_to_prod")
		if stageOf(before) != stageProduction || !sameValue(member(before, "promoted_to_prod"), at) {
			x.promoted[e.Version], x.promotions[string(at)] = true, true
		}
	}
}

// entry compares an entry of the document with the history.
func (x *external) entry(version string, raw []byte) {
	ours := x.ours.get(version)
	switch {
	case ours != nil && pyjson.Same(ours.raw, raw):
	case x.past.ended(version, raw) && (ours == nil || anotherVersion(ours.raw, raw)):
		x.doubt(version, "the entry is of a version that was deleted; it stays deleted")
	case ours == nil:
		x.add(version, raw)
	case x.another(ours, raw):
		x.bury(ours)
		x.replaced[version] = true
		x.add(version, raw)
	default:
		x.merge(ours, raw)
	}
}

// add lists a version that the other program added. If its number was given out
// before, the event says so: that program counts from what is listed.
func (x *external) add(version string, raw []byte) {
	if x.past.lives[version] != nil || slices.Contains(x.ours.removed, version) {
		x.event.reused = append(x.event.reused, version)
	}
	x.event.after = append(x.event.after, image{version: version, raw: raw})
}

// another reports whether an entry is of another version than ours, by the same
// number: the other program deleted ours and registered that, or did not know of
// ours. An edited time of registration does not make another version: the files
// would still have our manifest.
func (x *external) another(ours *entry, raw []byte) bool {
	if !anotherVersion(ours.raw, raw) {
		return false
	}
	if x.past.base.event > 0 && x.past.then[ours.version] == nil {
		return true
	}
	return x.tree(ours.version) != treeOurs
}

// merge merges an entry of a version that both have.
func (x *external) merge(ours *entry, raw []byte) {
	m := entryMerge{base: x.past.then[ours.version], ours: ours.raw, theirs: raw,
		proven: x.past.base.proven, presumed: x.past.base.presumed, past: x.past.entries(ours.version), promotions: x.promotions}
	merged := m.merge()
	for _, reason := range m.doubts {
		x.doubt(ours.version, reason)
	}
	if merged != nil {
		x.event.after = append(x.event.after, image{version: ours.version, raw: merged})
	}
}

// missing decides about a version that the document lacks. Python's delete
// removes the files first. So a version without files was deleted; one whose files
// are there was not, but the other program did not know it, unless the base is
// proven.
func (x *external) missing(ours *entry) {
	b, was := x.past.base, x.past.then[ours.version] != nil
	tree := x.tree(ours.version)
	switch {
	case b.proven && was, tree == treeNone, tree == treeUnknown && was && b.event > 0 && !b.presumed:
		x.bury(ours)
	case b.event > 0 && !was: // it was registered since
	case tree != treeUnknown:
		x.doubt(ours.version, "the entry is missing and the files are there; the version stays")
	default:
		x.doubt(ours.version, "the entry is missing: the version was deleted, or the other program did not know it; it stays")
	}
}

func (x *external) bury(e *entry) {
	x.event.removed = append(x.event.removed, e.version)
	x.event.gone = append(x.event.gone, buried{e.version, registeredAt(e.raw)})
}

func (x *external) doubt(version, reason string) {
	x.event.doubts = append(x.event.doubts, doubt{version, reason})
}

// settleProduction archives what the history put into production and the other
// program, which promoted another version, did not know of. Its promotion is the
// later one, and archives what was there.
func (x *external) settleProduction() {
	s := x.ours
	h := s.holder(stageProduction)
	if len(s.productive) < 2 || h == nil {
		return
	}
	if !x.promoted[h.version] {
		return
	}
	set := []pyjson.Member{{Key: "stage", Value: pyjson.Quote(stageArchived)}}
	if at := member(h.raw, "promoted_to_prod"); !sameValue(at, nil) {
		set = append(set, pyjson.Member{Key: "archived_at", Value: at})
	}
	var also []image
	for version := range s.productive {
		if version == h.version || x.productive[version] { // of two in the document, the next change archives one
			continue
		}
		e := s.get(version)
		also = append(also, image{version: version, raw: document.Set(e.layOut(), set), extra: entering(e.extra, s.last+1), stageRead: stageArchived})
	}
	for _, im := range also {
		s.set(im)
		x.event.put(im)
	}
}

// put has the event leave an entry so.
func (e *event) put(im image) {
	for i := range e.after {
		if e.after[i].version == im.version {
			e.after[i] = im
			return
		}
	}
	e.after = append(e.after, im)
}
