package modelregistry

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

// An indexState is what is known of one model: its checkpoint with the later
// events applied. It is not safe for concurrent use, but for reads after lookUp.
// Its entries never change.
type indexState struct {
	useCase     string
	model       string
	head        []pyjson.Member // the document's top-level keys but ours
	facts       facts
	others      []pyjson.Member // members of our key in the document that this release does not know
	order       []*entry        // in order of registration
	places      map[string]int  // where in order a version is; see place
	placed      sync.Once
	removed     []string // numbers given out whose entries are gone
	deleted     []byte   // who deleted them and when, by version: an object; nil for nothing
	productions []string // production versions, the last one last, rolled-back ones taken off
	high        *semver.Version
	stages      map[string]*stageIndex
	productive  map[string]bool // entries in production; more than one only by another program's doing
	generation  int64           // counts the changes of entries and facts

	last   int64  // the last event's number
	hash   string // its line's digest
	offset int64  // the position behind it

	size          int64  // about what the document takes, in bytes
	checkpoint    int64  // the event that the document stands at, 0 if it is none of ours
	checkpointEnd int64  // the position behind that event
	older         bool   // a release that keeps nothing it does not know wrote the document
	external      int64  // the last event that recorded what another program changed, 0 for none
	damage        error  // what of our key in the document can't be read
	pending       *event // what somebody else changed, for the next writer to record
}

// newState returns the state of a model without versions.
func newState(useCase, model string) *indexState {
	return &indexState{
		useCase:    useCase,
		model:      model,
		head:       document.New(useCase, model).Head,
		stages:     map[string]*stageIndex{},
		productive: map[string]bool{},
	}
}

// empty reports whether there is no model.
func (s *indexState) empty() bool { return len(s.order) == 0 && s.last == 0 }

// fromDocument takes over a document's entries and, if it is ours, its mark. What
// it has of an entry stays raw but for the stage.
func fromDocument(useCase, model string, d *document.Document) *indexState {
	s := newState(useCase, model)
	s.head = d.Head
	s.order = make([]*entry, len(d.Entries))
	all := make([]entry, len(d.Entries))
	var high document.Release
	anyPlain := false
	for i, from := range d.Entries {
		e := &all[i]
		e.version, e.pos, e.raw, e.extra = from.Version, i, from.Raw, from.Extra
		e.stage = entryStage(from.Raw, from.Stage)
		var err error
		if e.entered, err = checkExtra(e.extra); err != nil {
			s.damage = fmt.Errorf("%s of version %s: %w", document.Key, e.version, err)
		}
		r, plain := document.ParseRelease(e.version)
		switch {
		case !plain:
			s.high = highest(s.high, parseVersion(e.version))
		case r.Compare(high) >= 0:
			high, anyPlain = r, true
		}
		s.order[i] = e
		e.size = e.takes()
		s.size += e.size
		s.enter(e)
	}
	if anyPlain {
		s.high = highest(s.high, semver.New(high.Major, high.Minor, high.Patch, "", ""))
	}
	if d.Mark != nil {
		s.removed, s.deleted = d.Mark.Removed, d.Mark.Deleted
		for _, v := range s.removed {
			s.high = highest(s.high, parseVersion(v))
		}
		s.productions = slices.Clip(d.Mark.Productions)
		s.last, s.hash, s.offset = d.Mark.Event, d.Mark.Hash, d.Mark.Offset
		s.checkpoint, s.checkpointEnd = s.last, s.offset
		s.older = d.Mark.Format < format.Version
		s.others = d.Mark.Others
		s.facts = readFacts(d.Mark.Model)
		s.size += int64(len(d.Mark.Model))
		s.external = d.Mark.External
	}
	if len(s.productions) == 0 {
		if p := s.holder(stageProduction); p != nil {
			s.productions = []string{p.version}
		}
	}
	return s
}

// document returns the state as a document that stands at the last event.
func (s *indexState) document(offset int64) *document.Document {
	d := &document.Document{Head: s.head, Entries: make([]document.Entry, len(s.order)), Mark: &document.Mark{
		Removed: s.removed, Deleted: s.deleted, Productions: s.productions, Event: s.last, Offset: offset, Hash: s.hash,
		Model: s.facts.raw, Others: s.others, External: s.external,
	}}
	for i, e := range s.order {
		d.Entries[i] = document.Entry{Version: e.version, Raw: e.layOut(), Extra: e.extra}
	}
	return d
}

// format returns the state as a document that ends the lag.
func (s *indexState) format(end int64) []byte {
	s.pending, s.checkpoint, s.checkpointEnd, s.older = nil, s.last, end, false
	return document.Format(s.document(end))
}

// set puts an entry in place.
func (s *indexState) set(im image) {
	pos, known := s.place(im.version)
	if !known {
		pos = len(s.order)
	}
	e := im.made
	if e == nil || e.pos != pos {
		e = newEntry(&im, pos)
	}
	if !known {
		s.places[im.version] = pos
		s.order = append(s.order, e)
		s.high = highest(s.high, parseVersion(im.version))
	} else {
		old := s.order[pos]
		s.size -= old.size
		s.order[pos] = e
		s.leave(old)
	}
	s.size += e.size
	s.enter(e)
	s.altered()
}

// altered notes that entries or facts changed, for those who keep what they made
// of them.
func (s *indexState) altered() { s.generation++ }

// remove takes an entry out, and keeps its number from being given again.
func (s *indexState) remove(version string) {
	if !slices.Contains(s.removed, version) {
		s.removed = append(slices.Clip(s.removed), version)
		s.high = highest(s.high, parseVersion(version))
	}
	i, ok := s.place(version)
	if !ok {
		return
	}
	s.size -= s.order[i].size
	s.order = slices.Delete(s.order, i, i+1)
	delete(s.places, version)
	delete(s.productive, version)
	s.renumber(i)
}

// renumber notes that the entries from one on changed places.
func (s *indexState) renumber(from int) {
	for i := from; i < len(s.order); i++ {
		im := s.order[i].image()
		moved := newEntry(&im, i)
		s.order[i], s.places[moved.version] = moved, i
	}
	s.forget()
	s.altered()
}

// arrange puts the entries into the order of a list of all of them, which is the document's.
func (s *indexState) arrange(list []image) {
	at := make(map[string]int, len(list))
	for i, im := range list {
		at[im.version] = i
	}
	byList := func(a, b *entry) int { return at[a.version] - at[b.version] }
	if !slices.IsSortedFunc(s.order, byList) {
		slices.SortStableFunc(s.order, byList)
		s.renumber(0)
	}
}

// apply takes an event into the state; one that it has already is passed over.
func (s *indexState) apply(e *event, offset int64) {
	if e.number <= s.last {
		return
	}
	if e.reset {
		stays := make(map[string]bool, len(e.after))
		for _, im := range e.after {
			stays[im.version] = true
		}
		for _, old := range slices.Clone(s.order) {
			if !stays[old.version] {
				s.remove(old.version)
			}
		}
	}
	s.effect(e)
	if e.reset {
		s.arrange(e.after)
	}
	if len(e.after) > 0 {
		s.noteProduction(e.op)
	}
	if e.op == opImport || e.op == opForeign {
		s.pending, s.external = nil, e.number
	}
	s.last, s.hash, s.offset = e.number, e.hash, offset
}

// effect takes what an event did to entries into the state. A version that is
// among the removed and among those after it is another one by the same number;
// if the state has that already, it stays where it is.
func (s *indexState) effect(e *event) {
	for _, v := range e.removed {
		old := s.get(v)
		if old == nil || !slices.ContainsFunc(e.after, func(im image) bool { return im.version == v && pyjson.Equal(im.raw, old.raw) }) {
			s.remove(v)
		}
	}
	s.deleted = withMembers(s.deleted, e.deleted)
	for _, im := range e.after {
		if slices.Contains(s.removed, im.version) {
			s.removed = slices.DeleteFunc(slices.Clone(s.removed), func(v string) bool { return v == im.version })
		}
		switch old := s.get(im.version); {
		case !im.compact:
		case old != nil && old.stage == im.stage() && pyjson.Equal(old.raw, im.raw):
			im.raw, im.compact = old.raw, old.compact // as the document has it, to the byte
		default:
			im.raw = bytes.Clone(im.raw) // the line that it is part of goes
		}
		s.set(im)
	}
	if e.model != nil {
		s.learn(readFacts(e.model))
	}
}

// noteProduction keeps the list of production versions.
func (s *indexState) noteProduction(op string) {
	if p := s.holder(stageProduction); p != nil {
		s.productions = after(s.productions, op, p.version)
	}
}

// after returns the list of production versions once version is in production: a
// promotion adds to it, a rollback takes off what came after the version it
// restored. It may write behind the end of the list: who goes on from another's clips it.
func after(list []string, op, version string) []string {
	if len(list) > 0 && list[len(list)-1] == version {
		return list
	}
	if at := lastIndex(list, version); op == opRollback && at >= 0 {
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

// place returns where in order a version is. The first to ask has the places noted: the
// version of a stage is found without.
func (s *indexState) place(version string) (int, bool) {
	s.placed.Do(func() {
		s.places = make(map[string]int, len(s.order))
		for i, e := range s.order {
			s.places[e.version] = i
		}
	})
	i, ok := s.places[version]
	return i, ok
}

// get returns the entry of a version, or nil.
func (s *indexState) get(version string) *entry {
	if i, ok := s.place(version); ok {
		return s.order[i]
	}
	return nil
}

// withdrawn reports whether readers see an entry as archived.
func (s *indexState) withdrawn(e *entry) bool {
	return e.stage == stageArchived || e.stage == stageProduction && s.holder(stageProduction) != e
}
