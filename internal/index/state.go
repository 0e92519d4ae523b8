package index

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// maxProductions bounds how far Rollback without a version can go back.
const maxProductions = 100

// A State holds the facts about one model: its checkpoint with the later events
// applied. It is not safe for concurrent use, except for reads after
// IndexStages. Its entries never change.
type State struct {
	UseCase     string
	Model       string
	Head        []pyjson.Member // the document's top-level keys but ours
	Facts       Facts
	Others      []pyjson.Member   // members of our key in the document that this release does not know
	Entries     []*Entry          // in order of registration
	next        int               // the place of the next version
	byVersion   map[string]*Entry // made by Get
	mapped      sync.Once
	removed     versionSet // numbers that were given out and whose entries were removed
	deleted     tombstones // who deleted them and when
	productions []string   // production versions, the last one last, without those that were rolled back
	high        *semver.Version
	byStage     map[string]*stageIndex
	Productive  map[string]bool // versions in production; only another program can leave more than one
	Generation  int64           // counts the changes of entries and facts

	Last   int64  // the last event's number
	Hash   string // its line's digest
	Offset int64  // the position after it

	Size          int64  // about the size of the document, in bytes
	Checkpoint    int64  // the last event that the document includes; 0 if we did not write it
	CheckpointEnd int64  // the position after that event
	Older         bool   // the document is by a release that drops members that it does not know
	External      int64  // the last event that recorded an external change; 0 for none
	Damage        error  // the fault, if a part of our key in the document can't be read
	Pending       *Event // an external change, for the next writer to record
}

// New returns the state of a model without versions.
func New(useCase, model string) *State {
	return &State{
		UseCase:    useCase,
		Model:      model,
		Head:       document.New(useCase, model).Head,
		byStage:    map[string]*stageIndex{},
		Productive: map[string]bool{},
	}
}

// Empty reports whether there is no model.
func (s *State) Empty() bool { return len(s.Entries) == 0 && s.Last == 0 }

// FromDocument returns the state in a document: its entries and, if we wrote
// it, its mark. Entries stay raw, except for the stage.
func FromDocument(useCase, model string, d *document.Document) *State {
	s := New(useCase, model)
	s.Head = d.Head
	s.Entries = make([]*Entry, len(d.Entries))
	all := make([]Entry, len(d.Entries))
	var high document.Release
	anyPlain := false
	for i, from := range d.Entries {
		e := &all[i]
		e.Version, e.pos, e.Raw, e.Extra = from.Version, i, from.Raw, from.Extra
		e.Stage = entryStage(from.Raw, from.Stage)
		var err error
		if e.Entered, err = checkExtra(e.Extra); err != nil {
			s.Damage = fmt.Errorf("%s of version %s: %w", document.Key, e.Version, err)
		}
		r, plain := document.ParseRelease(e.Version)
		switch {
		case !plain:
			s.high = highest(s.high, ParseVersion(e.Version))
		case r.Compare(high) >= 0:
			high, anyPlain = r, true
		}
		s.Entries[i] = e
		e.size = e.documentSize()
		s.Size += e.size
		s.enter(e)
	}
	s.next = len(s.Entries)
	if anyPlain {
		s.high = highest(s.high, semver.New(high.Major, high.Minor, high.Patch, "", ""))
	}
	if d.Mark != nil {
		s.removed.list = slices.Clip(d.Mark.Removed)
		s.deleted.load(d.Mark.Deleted)
		s.Size += s.deleted.size
		for _, v := range s.removed.list {
			s.high = highest(s.high, ParseVersion(v))
			s.Size += removedSize(v)
		}
		s.productions = slices.Clip(d.Mark.Productions)
		s.Last, s.Hash, s.Offset = d.Mark.Event, d.Mark.Hash, d.Mark.Offset
		s.Checkpoint, s.CheckpointEnd = s.Last, s.Offset
		s.Older = d.Mark.Format < format.Version
		s.Others = d.Mark.Others
		s.Facts = ReadFacts(d.Mark.Model)
		s.Size += int64(len(d.Mark.Model))
		s.External = d.Mark.External
	}
	if len(s.productions) == 0 {
		if p := s.Holder(Production); p != nil {
			s.productions = []string{p.Version}
		}
	}
	return s
}

// Set puts an entry in place.
func (s *State) Set(im Image) {
	old, pos := s.Get(im.Version), s.next
	if old != nil {
		pos = old.pos
	}
	e := im.entry
	if e == nil || e.pos != pos {
		e = newEntry(&im, pos)
	}
	s.byVersion[im.Version] = e
	if old == nil {
		s.next++
		s.Entries = append(s.Entries, e)
		s.high = highest(s.high, ParseVersion(im.Version))
	} else {
		s.Size -= old.size
		s.Entries[s.indexOf(old)] = e
		s.leave(old)
	}
	s.Size += e.size
	s.enter(e)
	s.altered()
}

// altered records that entries or facts changed, for callers that keep decoded
// forms of them.
func (s *State) altered() { s.Generation++ }

// Remove removes entries, and prevents their numbers from being given out
// again.
func (s *State) Remove(versions ...string) {
	gone := map[*Entry]bool{} // the entries that are removed
	at := -1                  // the index in Entries of one of them
	for _, version := range versions {
		if s.removed.add(version) {
			s.high = highest(s.high, ParseVersion(version))
			s.Size += removedSize(version)
		}
		if e := s.Get(version); e != nil {
			gone[e], at = true, s.indexOf(e)
			s.Size -= e.size
			delete(s.byVersion, version)
			s.leave(e)
		}
	}
	switch len(gone) {
	case 0:
		return
	case 1: // the usual case, which should not look at each entry
		s.Entries = slices.Delete(s.Entries, at, at+1)
	default:
		s.Entries = slices.DeleteFunc(s.Entries, func(e *Entry) bool { return gone[e] })
	}
	s.altered()
}

// removedSize returns about how many bytes a number that was removed takes in
// the document.
func removedSize(version string) int64 { return int64(len(version) + len(`"", `)) }

// WasRemoved reports whether a number was given out and its entry removed.
func (s *State) WasRemoved(version string) bool { return s.removed.has(version) }

// Removed returns the numbers that were given out and whose entries were
// removed.
func (s *State) Removed() []string { return s.removed.list }

// arrange puts the entries into the order of the list, which is that of the
// document.
func (s *State) arrange(list []Image) {
	at := make(map[string]int, len(list))
	for i, im := range list {
		at[im.Version] = i
	}
	byList := func(a, b *Entry) int { return at[a.Version] - at[b.Version] }
	if slices.IsSortedFunc(s.Entries, byList) {
		return
	}
	slices.SortStableFunc(s.Entries, byList)
	for i, e := range s.Entries {
		im := e.image()
		s.Entries[i] = newEntry(&im, i)
		s.byVersion[e.Version] = s.Entries[i]
	}
	s.next = len(s.Entries)
	s.forget()
	s.altered()
}

// Apply applies an event to the state. It ignores an event that the state has
// already.
func (s *State) Apply(e *Event, offset int64) {
	if e.Number <= s.Last {
		return
	}
	if e.Reset {
		stays := make(map[string]bool, len(e.After))
		for _, im := range e.After {
			stays[im.Version] = true
		}
		var gone []string
		for _, old := range s.Entries {
			if !stays[old.Version] {
				gone = append(gone, old.Version)
			}
		}
		s.Remove(gone...)
	}
	s.effect(e)
	if e.Reset {
		s.arrange(e.After)
	}
	if len(e.After) > 0 {
		s.noteProduction(e.Op)
	}
	if e.Op == OpImport || e.Op == OpForeign {
		s.Pending, s.External = nil, e.Number
	}
	s.Last, s.Hash, s.Offset = e.Number, e.Hash, offset
}

// effect applies an event to the entries. A version that is both in Removed and
// in After is another version of the same number. If the state has that version
// already, it keeps its place.
func (s *State) effect(e *Event) {
	stays, again := map[string]bool{}, map[string]bool{}
	if len(e.Removed) > 0 {
		for _, im := range e.After {
			old := s.Get(im.Version)
			stays[im.Version] = stays[im.Version] || old != nil && pyjson.Equal(im.Raw, old.Raw)
		}
	}
	s.Remove(slices.DeleteFunc(slices.Clone(e.Removed), func(v string) bool { return stays[v] })...)
	before := s.deleted.size
	s.deleted.set(e.Deleted)
	s.Size += s.deleted.size - before
	for _, im := range e.After {
		if s.WasRemoved(im.Version) && !again[im.Version] {
			again[im.Version] = true
			s.Size -= removedSize(im.Version)
		}
	}
	s.removed.drop(again)
	for _, im := range e.After {
		switch old := s.Get(im.Version); {
		case !im.compact:
		case old != nil && old.Stage == im.Stage() && pyjson.Equal(old.Raw, im.Raw):
			im.Raw, im.compact = old.Raw, old.compact // keep the exact bytes of the document
		default:
			im.Raw = bytes.Clone(im.Raw) // the line with these bytes is not kept
		}
		s.Set(im)
	}
	if e.Op == OpUndelete {
		s.placeByTime(e.Version)
	}
	if e.Model != nil {
		s.SetFacts(ReadFacts(e.Model))
	}
}

// placeByTime moves the entry of a version, if it was added last, before those
// that were registered later.
func (s *State) placeByTime(version string) {
	last := len(s.Entries) - 1
	if last < 1 || s.Entries[last].Version != version {
		return
	}
	at, known := s.Entries[last].registered()
	to := last
	for ; to > 0; to-- {
		if before, ok := s.Entries[to-1].registered(); !known || !ok || !before.After(at) {
			break
		}
	}
	if to < last {
		list := s.images()
		s.arrange(slices.Insert(list[:last], to, list[last]))
	}
}

// noteProduction updates the list of production versions.
func (s *State) noteProduction(op string) {
	if p := s.Holder(Production); p != nil {
		s.productions = after(s.productions, op, p.Version)
	}
}

// after returns the list of production versions after version entered
// production. A promotion appends the version. A rollback removes the versions
// after the one that it restored. It may write beyond the end of the list, so a
// caller that shares the list must clip it.
func after(list []string, op, version string) []string {
	if len(list) > 0 && list[len(list)-1] == version {
		return list
	}
	if at := lastIndex(list, version); op == OpRollback && at >= 0 {
		return slices.Clone(list[:at+1])
	}
	list = append(list, version)
	return list[max(0, len(list)-maxProductions):]
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

// Get returns the entry of a version, or nil. The first call makes the map of
// entries. Finding the version of a stage does not need it.
func (s *State) Get(version string) *Entry {
	s.mapped.Do(func() {
		s.byVersion = make(map[string]*Entry, len(s.Entries))
		for _, e := range s.Entries {
			s.byVersion[e.Version] = e
		}
	})
	return s.byVersion[version]
}

// indexOf returns the index of an entry in Entries, which are in the order of
// their places.
func (s *State) indexOf(e *Entry) int {
	if e.pos < len(s.Entries) && s.Entries[e.pos] == e { // no entry before it was removed
		return e.pos
	}
	i, _ := slices.BinarySearchFunc(s.Entries, e.pos, func(other *Entry, pos int) int { return other.pos - pos })
	return i
}

// Withdrawn reports whether readers see an entry as archived.
func (s *State) Withdrawn(e *Entry) bool {
	return s.Stage(e) == Archived
}

// Stage returns an entry's stage as readers see it.
func (s *State) Stage(e *Entry) string {
	if e.Stage == Production && s.Holder(Production) != e {
		return Archived
	}
	return e.Stage
}
