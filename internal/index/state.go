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

// A State is what is known of one model: its checkpoint with the later events
// applied. It is not safe for concurrent use, but for reads after Settle. Its
// entries never change.
type State struct {
	UseCase     string
	Model       string
	Head        []pyjson.Member // the document's top-level keys but ours
	Facts       Facts
	Others      []pyjson.Member // members of our key in the document that this release does not know
	Entries     []*Entry        // in order of registration
	places      map[string]int  // where in order a version is; see place
	placed      sync.Once
	Removed     []string // numbers given out whose entries are gone
	deleted     []byte   // who deleted them and when, by version: an object; nil for nothing
	productions []string // production versions, the last one last, rolled-back ones taken off
	high        *semver.Version
	byStage     map[string]*stageIndex
	Productive  map[string]bool // entries in production; more than one only by another program's doing
	Generation  int64           // counts the changes of entries and facts

	Last   int64  // the last event's number
	Hash   string // its line's digest
	Offset int64  // the position behind it

	Size          int64  // about what the document takes, in bytes
	Checkpoint    int64  // the event that the document stands at, 0 if it is none of ours
	CheckpointEnd int64  // the position behind that event
	Older         bool   // a release that keeps nothing it does not know wrote the document
	External      int64  // the last event that recorded what another program changed, 0 for none
	Damage        error  // what of our key in the document can't be read
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

// FromDocument takes over a document's entries and, if it is ours, its mark.
// What it has of an entry stays raw but for the stage.
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
		e.size = e.takes()
		s.Size += e.size
		s.enter(e)
	}
	if anyPlain {
		s.high = highest(s.high, semver.New(high.Major, high.Minor, high.Patch, "", ""))
	}
	if d.Mark != nil {
		s.Removed, s.deleted = d.Mark.Removed, d.Mark.Deleted
		for _, v := range s.Removed {
			s.high = highest(s.high, ParseVersion(v))
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

// Document returns the state as a document that stands at the last event.
func (s *State) Document(offset int64) *document.Document {
	d := &document.Document{Head: s.Head, Entries: make([]document.Entry, len(s.Entries)), Mark: &document.Mark{
		Removed: s.Removed, Deleted: s.deleted, Productions: s.productions, Event: s.Last, Offset: offset, Hash: s.Hash,
		Model: s.Facts.raw, Others: s.Others, External: s.External,
	}}
	for i, e := range s.Entries {
		d.Entries[i] = document.Entry{Version: e.Version, Raw: e.layOut(), Extra: e.Extra}
	}
	return d
}

// Format returns the state as a document that ends the lag.
func (s *State) Format(end int64) []byte {
	s.Pending, s.Checkpoint, s.CheckpointEnd, s.Older = nil, s.Last, end, false
	return document.Format(s.Document(end))
}

// Set puts an entry in place.
func (s *State) Set(im Image) {
	pos, known := s.place(im.Version)
	if !known {
		pos = len(s.Entries)
	}
	e := im.made
	if e == nil || e.pos != pos {
		e = newEntry(&im, pos)
	}
	if !known {
		s.places[im.Version] = pos
		s.Entries = append(s.Entries, e)
		s.high = highest(s.high, ParseVersion(im.Version))
	} else {
		old := s.Entries[pos]
		s.Size -= old.size
		s.Entries[pos] = e
		s.leave(old)
	}
	s.Size += e.size
	s.enter(e)
	s.altered()
}

// altered notes that entries or facts changed, for those who keep what they
// made of them.
func (s *State) altered() { s.Generation++ }

// Remove takes an entry out, and keeps its number from being given again.
func (s *State) Remove(version string) {
	if !slices.Contains(s.Removed, version) {
		s.Removed = append(slices.Clip(s.Removed), version)
		s.high = highest(s.high, ParseVersion(version))
	}
	i, ok := s.place(version)
	if !ok {
		return
	}
	s.Size -= s.Entries[i].size
	s.Entries = slices.Delete(s.Entries, i, i+1)
	delete(s.places, version)
	delete(s.Productive, version)
	s.renumber(i)
}

// renumber notes that the entries from one on changed places.
func (s *State) renumber(from int) {
	for i := from; i < len(s.Entries); i++ {
		im := s.Entries[i].image()
		moved := newEntry(&im, i)
		s.Entries[i], s.places[moved.Version] = moved, i
	}
	s.forget()
	s.altered()
}

// arrange puts the entries into the order of a list of all of them, which is
// the document's.
func (s *State) arrange(list []Image) {
	at := make(map[string]int, len(list))
	for i, im := range list {
		at[im.Version] = i
	}
	byList := func(a, b *Entry) int { return at[a.Version] - at[b.Version] }
	if !slices.IsSortedFunc(s.Entries, byList) {
		slices.SortStableFunc(s.Entries, byList)
		s.renumber(0)
	}
}

// Apply takes an event into the state; one that it has already is passed over.
func (s *State) Apply(e *Event, offset int64) {
	if e.Number <= s.Last {
		return
	}
	if e.Reset {
		stays := make(map[string]bool, len(e.After))
		for _, im := range e.After {
			stays[im.Version] = true
		}
		for _, old := range slices.Clone(s.Entries) {
			if !stays[old.Version] {
				s.Remove(old.Version)
			}
		}
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

// effect takes what an event did to entries into the state. A version that is
// among the removed and among those after it is another one by the same number;
// if the state has that already, it stays where it is.
func (s *State) effect(e *Event) {
	for _, v := range e.Removed {
		old := s.Get(v)
		if old == nil || !slices.ContainsFunc(e.After, func(im Image) bool { return im.Version == v && pyjson.Equal(im.Raw, old.Raw) }) {
			s.Remove(v)
		}
	}
	s.deleted = WithMembers(s.deleted, e.Deleted)
	for _, im := range e.After {
		if slices.Contains(s.Removed, im.Version) {
			s.Removed = slices.DeleteFunc(slices.Clone(s.Removed), func(v string) bool { return v == im.Version })
		}
		switch old := s.Get(im.Version); {
		case !im.compact:
		case old != nil && old.Stage == im.Stage() && pyjson.Equal(old.Raw, im.Raw):
			im.Raw, im.compact = old.Raw, old.compact // as the document has it, to the byte
		default:
			im.Raw = bytes.Clone(im.Raw) // the line that it is part of goes
		}
		s.Set(im)
	}
	if e.Model != nil {
		s.Learn(ReadFacts(e.Model))
	}
}

// noteProduction keeps the list of production versions.
func (s *State) noteProduction(op string) {
	if p := s.Holder(Production); p != nil {
		s.productions = after(s.productions, op, p.Version)
	}
}

// after returns the list of production versions once version is in production:
// a promotion adds to it, a rollback takes off what came after the version it
// restored. It may write behind the end of the list: who goes on from another's
// clips it.
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

// place returns where in order a version is. The first to ask has the places
// noted: the version of a stage is found without.
func (s *State) place(version string) (int, bool) {
	s.placed.Do(func() {
		s.places = make(map[string]int, len(s.Entries))
		for i, e := range s.Entries {
			s.places[e.Version] = i
		}
	})
	i, ok := s.places[version]
	return i, ok
}

// Get returns the entry of a version, or nil.
func (s *State) Get(version string) *Entry {
	if i, ok := s.place(version); ok {
		return s.Entries[i]
	}
	return nil
}

// Withdrawn reports whether readers see an entry as archived.
func (s *State) Withdrawn(e *Entry) bool {
	return e.Stage == Archived || e.Stage == Production && s.Holder(Production) != e
}
