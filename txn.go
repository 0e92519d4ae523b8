package modelregistry

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// An indexTxn is a state and the changes that are about to be appended to it: several,
// when several callers share one append. Nothing of it shows in the state until
// the append has happened.
type indexTxn struct {
	base        *indexState
	over        map[string]*entry // entries as the events so far leave them
	added       int               // of those, new ones
	productive  []*entry          // in production, as the events so far leave it
	productions []string          // as the state has them, after the first noted events
	noted       int
	high        *semver.Version // as the state has it
	now         time.Time
	written     string // now, as it is written, once asked for
	events      []*event
	lines       [][]byte
	hash        string // of the last line
	mended      bool
}

// newIndexTxn begins a transaction on a state, at the time of its changes.
func newIndexTxn(s *indexState, now time.Time) *indexTxn {
	t := &indexTxn{base: s, productions: slices.Clip(s.productions), high: s.high, now: now, hash: s.hash}
	for v := range s.productive {
		t.productive = append(t.productive, s.get(v))
	}
	return t
}

// put notes an entry as an event leaves it.
func (t *indexTxn) put(e *entry) {
	if t.get(e.version) == nil {
		t.added++
		t.high = highest(t.high, parseVersion(e.version))
	}
	if t.over == nil {
		t.over = map[string]*entry{}
	}
	t.over[e.version] = e
	t.productive = slices.DeleteFunc(t.productive, func(p *entry) bool { return p.version == e.version })
	if e.stage == stageProduction {
		t.productive = append(t.productive, e)
	}
}

// bytes returns about how long the lines are.
func (t *indexTxn) bytes() int64 {
	n := 0
	for _, line := range t.lines {
		n += len(line) + 1
	}
	return int64(n)
}

// get returns the entry of a version as the events so far leave it, or nil.
func (t *indexTxn) get(version string) *entry {
	if e := t.over[version]; e != nil {
		return e
	}
	return t.base.get(version)
}

// production is the version in production with the changes so far, or nil.
func (t *indexTxn) production() *entry {
	var h *entry
	for _, e := range t.productive {
		if h == nil || e.newer(h) {
			h = e
		}
	}
	return h
}

// holder returns the version of a stage, as the events so far leave it: of several,
// the one that entered it last.
func (t *indexTxn) holder(stage string) (h *entry) {
	switch {
	case stage == stageProduction:
		return t.production()
	case len(t.over) == 0:
		return t.base.holder(stage)
	}
	for e := range t.entries() {
		if e.stage == stage && (h == nil || e.newer(h)) {
			h = e
		}
	}
	return h
}

// entries yields every version as the events so far leave it.
func (t *indexTxn) entries() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range t.base.order {
			if !yield(t.get(e.version)) {
				return
			}
		}
		for version, e := range t.over {
			if t.base.get(version) == nil && !yield(e) {
				return
			}
		}
	}
}

// empty reports whether there is no model, and no event so far makes one.
func (t *indexTxn) empty() bool { return t.base.empty() && len(t.over) == 0 }

// stage returns an entry's stage as readers see it.
func (t *indexTxn) stage(e *entry) string {
	stage := e.stage
	if stage == stageProduction && t.production() != e {
		return stageArchived
	}
	return stage
}

// previousProduction returns the version that a rollback without a version
// restores. It reports false if there is none.
func (t *indexTxn) previousProduction() (version string, ok bool) {
	for _, e := range t.events[t.noted:] { // what this append did before
		if p := e.enters(stageProduction); p != "" {
			t.productions = after(t.productions, e.op, p)
		}
	}
	t.noted = len(t.events)
	list, now := t.productions, t.production()
	for i := len(list) - 1; i >= 0; i-- {
		if t.get(list[i]) == nil || now != nil && list[i] == now.version {
			continue
		}
		return list[i], true
	}
	return "", false
}

// enters returns the version that the event puts into a stage.
func (e *event) enters(stage string) string {
	if e.to == stage && !e.refused {
		return e.version
	}
	return ""
}

// A stageMove is a move of a version to another stage, as it was decided.
type stageMove struct {
	op            string
	entry         *entry
	to            string
	actor, reason string
	gates         []byte // what each gate found, as an event has it
	skippedGates  bool
	forced        bool
}

// move appends the event of a move. It returns the entry of the version that
// leaves production because of it, or nil.
func (t *indexTxn) move(m stageMove) (predecessor *entry, err error) {
	ev := &event{op: m.op, version: m.entry.version, from: t.stage(m.entry), to: m.to, actor: m.actor, reason: m.reason,
		gates: m.gates, skippedGates: m.skippedGates, forced: m.forced, after: make([]image, 0, 2)}
	if m.to == stageProduction {
		if predecessor = t.production(); predecessor != nil {
			ev.after = append(ev.after, t.staged(predecessor, stageArchived))
		}
	}
	var also []pyjson.Member
	if m.op == opPromote || m.op == opRollback {
		by := []byte("null")
		if m.actor != "" {
			by = pyjson.Quote(m.actor)
		}
		also = []pyjson.Member{{Key: "promoted_by", Value: by}}
	}
	ev.after = append(ev.after, t.staged(m.entry, m.to, also...))
	return predecessor, t.emit(ev)
}

// stamp is the time of the changes, as entries and events have it.
func (t *indexTxn) stamp() string {
	if t.written == "" {
		t.written = formatTime(t.now)
	}
	return t.written
}

// staged returns the image of an entry that enters a stage now, with what else is set in it.
func (t *indexTxn) staged(e *entry, stage string, also ...pyjson.Member) image {
	set := append(make([]pyjson.Member, 0, 4), also...)
	room := make([]byte, 0, 128)
	put := func(key, text string) {
		from := len(room)
		room = pyjson.AppendString(room, text)
		set = append(set, pyjson.Member{Key: key, Value: room[from:]})
	}
	put("version", e.version)
	put("stage", stage)
	if key := stamped[stage]; key != "" {
		put(key, t.stamp())
	}
	return image{version: e.version, raw: document.Set(e.layOut(), set), extra: e.extra, stageRead: stage}
}

// record appends what another program did and nobody recorded yet, if there is such.
func (t *indexTxn) record(pending *event) error {
	if pending == nil {
		return nil
	}
	e := *pending
	e.deleted = withMembers(e.deleted, tombstones(e.gone, t.stamp()))
	return t.emit(&e)
}

// emit numbers an event and adds it to the append. The first of our own in an
// append also mends a second production version, if another program left one.
func (t *indexTxn) emit(ev *event) error {
	if err := t.base.facts.writable(); err != nil {
		return err
	}
	if ev.model == nil && ev.restates() {
		ev.model = t.base.facts.image()
	}
	if ev.op != opImport && ev.op != opForeign && !t.mended {
		t.mended = true
		if len(t.base.productive) > 1 {
			t.mend(ev)
		}
	}
	ev.number = t.base.last + int64(len(t.events)) + 1
	if ev.number > format.MaxEvent {
		return fmt.Errorf("the history has event %d, and no number comes after it", t.base.last)
	}
	ev.id, ev.time, ev.prev = newID(), t.now, t.hash
	added := 0
	for i := range ev.after {
		im := &ev.after[i]
		pos, old := len(t.base.order)+t.added+added, t.get(im.version)
		if old != nil {
			pos = old.pos
		} else {
			added++
		}
		if old == nil || old.stage != im.stage() {
			im.extra = entering(im.extra, ev.number)
		}
		im.made = newEntry(im, pos)
	}
	line, err := ev.encode()
	if err != nil {
		return err
	}
	for _, im := range ev.after {
		t.put(im.made)
	}
	ev.hash = hashLine(line)
	t.events, t.lines, t.hash = append(t.events, ev), append(t.lines, line), ev.hash
	return nil
}

func (t *indexTxn) mend(ev *event) {
	h := t.base.holder(stageProduction)
	for v := range t.base.productive {
		touched := slices.ContainsFunc(ev.after, func(im image) bool { return im.version == v })
		if v != h.version && !touched {
			ev.after = append(ev.after, t.staged(t.get(v), stageArchived))
		}
	}
	slices.SortStableFunc(ev.after, func(a, b image) int { return t.place(a) - t.place(b) })
}

func (t *indexTxn) place(im image) int {
	if e := t.get(im.version); e != nil {
		return e.pos
	}
	return len(t.base.order)
}

// number returns the version that an auto-versioned registration gets.
func (t *indexTxn) number() (string, error) {
	return nextVersion(t.high)
}

// register appends the event of a registration.
func (t *indexTxn) register(version string, raw, x []byte, actor, reason string) error {
	return t.emit(&event{op: opRegister, version: version, to: stageDevelopment, actor: actor, reason: reason,
		after: []image{{version: version, raw: raw, extra: x, stageRead: stageDevelopment}}})
}

// free returns a *takenError if a pinned version can't be registered, or nil.
func (t *indexTxn) free(version string) error {
	if t.get(version) != nil || slices.Contains(t.base.removed, version) {
		return &takenError{}
	}
	if v := parseVersion(version); v.Prerelease() == "" && v.Metadata() == "" {
		return nil // digits and dots have one case
	}
	for _, e := range t.base.order {
		if strings.EqualFold(e.version, version) {
			return &takenError{alike: e.version}
		}
	}
	for v := range t.over {
		if strings.EqualFold(v, version) {
			return &takenError{alike: v}
		}
	}
	return nil
}
