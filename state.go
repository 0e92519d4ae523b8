package modelregistry

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// maxProductions bounds how far Rollback without a version can go back.
const maxProductions = 100

// A state is what is known of one model: its checkpoint and the events behind
// it, applied. The model's lock guards it; entries never change.
type state struct {
	name        ModelName
	head        []pyjson.Member // the document's top-level keys but ours
	order       []*entry        // in order of registration
	index       map[string]int
	removed     []string // numbers given out whose entries are gone
	productions []string // production versions, the last one last, rolled-back ones taken off
	high        *semver.Version
	holders     map[ModelStage]*entry // the version of a stage, or nil, as far as looked up
	productive  map[string]bool       // entries in production; more than one only by another program's doing

	last   int64  // the last event's number
	hash   string // its line's digest
	offset int64  // the position behind it

	rev           Revision
	size          int64  // about what the document takes, in bytes
	checkpoint    int64  // the event that the document stands at, 0 if it is none of ours
	checkpointEnd int64  // the position behind that event
	docErr        error  // the document is damaged; the history is not
	damage        error  // what of our key in the document can't be read
	pending       *event // what somebody else changed, for the next writer to record
}

// An entry is one version, immutable.
type entry struct {
	name    ModelName
	version string
	pos     int
	raw     []byte // laid out as the document holds it
	extra   extra
	decoded atomic.Pointer[ModelVersion]
}

func newState(name ModelName) *state {
	return &state{
		name:       name,
		head:       document.New(name.UseCase, name.Model).Head,
		index:      map[string]int{},
		holders:    map[ModelStage]*entry{},
		productive: map[string]bool{},
	}
}

func (s *state) empty() bool { return len(s.order) == 0 && s.last == 0 }

// fromDocument takes over a document's entries and, if it is ours, its mark.
func fromDocument(name ModelName, d *document.Document) *state {
	s := newState(name)
	s.head = d.Head
	for _, e := range d.Entries {
		var x extra
		if d.Mark != nil && d.Mark.Versions[e.Version] != nil {
			if err := json.Unmarshal(d.Mark.Versions[e.Version], &x); err != nil {
				s.damage = fmt.Errorf("%s of version %s: %w", document.Key, e.Version, err)
			}
		}
		s.set(image{version: e.Version, raw: e.Raw, extra: x})
	}
	if d.Mark != nil {
		s.removed = d.Mark.Removed
		for _, v := range s.removed {
			s.high = highest(s.high, parseVersion(v))
		}
		s.productions = d.Mark.Productions
		s.last, s.hash, s.offset = d.Mark.Event, d.Mark.Hash, d.Mark.Offset
		s.checkpoint, s.checkpointEnd = s.last, s.offset
	}
	if len(s.productions) == 0 {
		if p := s.holder(Production); p != nil {
			s.productions = []string{p.version}
		}
	}
	return s
}

// document returns the state as a document that stands at the last event.
func (s *state) document(offset int64) *document.Document {
	d := &document.Document{Head: s.head, Mark: &document.Mark{
		Versions: make(map[string]json.RawMessage, len(s.order)), Removed: s.removed, Productions: s.productions,
		Event: s.last, Offset: offset, Hash: s.hash,
	}}
	d.Entries = make([]document.Entry, len(s.order))
	for i, e := range s.order {
		d.Entries[i] = document.Entry{Version: e.version, Raw: e.raw}
		if raw, err := json.Marshal(e.extra); err == nil && len(raw) > 2 {
			d.Mark.Versions[e.version] = raw
		}
	}
	return d
}

// set puts an entry in place. It returns the entry as it then stands.
func (s *state) set(im image) *entry {
	i, known := s.index[im.version]
	e := &entry{name: s.name, version: im.version, pos: i, raw: im.raw, extra: im.extra}
	if !known {
		e.pos = len(s.order)
		s.index[im.version] = e.pos
		s.order = append(s.order, e)
		s.high = highest(s.high, parseVersion(im.version))
	} else {
		old := s.order[i]
		if s.holders[old.stage()] == old || old.stage() == Production {
			delete(s.holders, old.stage())
		}
		s.size -= old.size()
		s.order[i] = e
	}
	s.size += e.size()
	delete(s.productive, im.version)
	if e.stage() == Production {
		s.productive[im.version] = true
	}
	if h, known := s.holders[e.stage()]; known && (h == nil || e.newer(h)) {
		s.holders[e.stage()] = e
	}
	return e
}

// forget has the holders looked up again.
func (s *state) forget() { clear(s.holders) }

// remove takes an entry out, and keeps its number from being given again.
func (s *state) remove(version string) {
	if !slices.Contains(s.removed, version) {
		s.removed = append(slices.Clip(s.removed), version)
		s.high = highest(s.high, parseVersion(version))
	}
	i, ok := s.index[version]
	if !ok {
		return
	}
	s.size -= s.order[i].size()
	s.order = slices.Delete(s.order, i, i+1)
	delete(s.index, version)
	delete(s.productive, version)
	for j := i; j < len(s.order); j++ {
		moved := &entry{name: s.name, version: s.order[j].version, pos: j, raw: s.order[j].raw, extra: s.order[j].extra}
		s.order[j], s.index[moved.version] = moved, j
	}
	s.forget()
}

// apply takes an event into the state; one that it has already is passed over.
func (s *state) apply(e *event, line string, offset int64) {
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
	for _, v := range e.removed {
		s.remove(v)
	}
	for _, im := range e.after {
		if slices.Contains(s.removed, im.version) {
			s.removed = slices.DeleteFunc(slices.Clone(s.removed), func(v string) bool { return v == im.version })
		}
		if i, ok := s.index[im.version]; ok && pyjson.Equal(s.order[i].raw, im.raw) {
			im.raw = s.order[i].raw // as the document has it, to the byte
		} else {
			im.raw = document.LayEntry(im.raw)
		}
		s.set(im)
	}
	if len(e.after) > 0 {
		s.noteProduction(e.op)
	}
	if e.op == opImport || e.op == opForeign {
		s.pending = nil
	}
	s.last, s.hash, s.offset = e.number, line, offset
}

// noteProduction keeps the list of production versions.
func (s *state) noteProduction(op string) {
	if p := s.holder(Production); p != nil {
		s.productions = after(s.productions, op, p.version)
	}
}

// after returns the list of production versions once version is in production: a
// promotion adds to it, a rollback takes off what came after the version it
// restored.
func after(list []string, op, version string) []string {
	if len(list) > 0 && list[len(list)-1] == version {
		return list
	}
	if at := lastIndex(list, version); op == opRollback && at >= 0 {
		return slices.Clone(list[:at+1])
	}
	list = append(slices.Clone(list), version)
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

func (s *state) get(version string) *entry {
	if i, ok := s.index[version]; ok {
		return s.order[i]
	}
	return nil
}

// holder returns the version of a stage: of several, the one that entered it
// last.
func (s *state) holder(stage ModelStage) *entry {
	if h, known := s.holders[stage]; known {
		return h
	}
	var h *entry
	consider := func(e *entry) {
		if h == nil || e.newer(h) {
			h = e
		}
	}
	if stage == Production {
		for v := range s.productive {
			consider(s.get(v))
		}
	} else {
		for _, e := range s.order {
			if e.stage() == stage {
				consider(e)
			}
		}
	}
	s.holders[stage] = h
	return h
}

// view returns an entry as a caller sees it. Of two in production, which only
// another program can have left, the one promoted last counts; the other reads
// as archived, as the next change will have it.
func (s *state) view(e *entry) ModelVersion {
	v := e.decode()
	if v.Stage == Production {
		if h := s.holder(Production); h != e {
			v.Stage = Archived
			v.Problems = append(slices.Clip(v.Problems), "stored as production beside "+h.version+", which was promoted last")
		}
	}
	return v
}

func (e *entry) decode() ModelVersion {
	if v := e.decoded.Load(); v != nil {
		return *v
	}
	v := decodeEntry(e.name, e.version, e.raw)
	v.RegisteredBy, v.SourceRevision, v.ManifestSHA256 = e.extra.RegisteredBy, e.extra.SourceRevision, e.extra.Manifest
	if e.extra.Gates != nil {
		v.Gates = Gates(*e.extra.Gates, v.Gates)
	}
	e.decoded.Store(&v)
	return v
}

func (e *entry) size() int64 { return int64(len(e.raw)) + perEntry }

func (e *entry) stage() ModelStage { return e.decode().Stage }

// newer reports whether e entered its stage after other did: by the events that
// put them there, else by the times in their entries, else by place.
func (e *entry) newer(other *entry) bool {
	if e.extra.Entered != other.extra.Entered {
		return e.extra.Entered > other.extra.Entered
	}
	a, b := e.decode(), other.decode()
	if x, y := a.enteredAt(), b.enteredAt(); !x.Equal(y) {
		return x.After(y)
	}
	return e.pos > other.pos
}

// enteredAt returns when the version entered its stage, as its entry has it.
func (v ModelVersion) enteredAt() time.Time {
	switch v.Stage {
	case Staging:
		return v.PromotedToStaging
	case Production:
		return v.PromotedToProduction
	case Archived:
		return v.ArchivedAt
	}
	return v.RegisteredAt
}
