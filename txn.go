package modelregistry

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A txn is a state and the changes that are about to be appended to it: several,
// when several callers share one append. Nothing of it shows in the state until
// the append has happened.
type txn struct {
	base        *state
	over        map[string]*entry // entries as the events so far leave them
	added       int               // of those, new ones
	productive  []*entry          // in production, as the events so far leave it
	productions []string          // as state.productions, after the first noted events
	noted       int
	high        *semver.Version // as state.high
	now         time.Time
	written     string // now, as it is written, once asked for
	events      []*event
	lines       [][]byte
	hash        string // of the last line
	mended      bool
	note        string // of the document, once it was made
}

func newTxn(s *state, now time.Time) *txn {
	t := &txn{base: s, productions: slices.Clip(s.productions), high: s.high, now: now, hash: s.hash}
	for v := range s.productive {
		t.productive = append(t.productive, s.get(v))
	}
	return t
}

// put notes an entry as an event leaves it.
func (t *txn) put(e *entry) {
	if t.get(e.version) == nil {
		t.added++
		t.high = highest(t.high, parseVersion(e.version))
	}
	if t.over == nil {
		t.over = map[string]*entry{}
	}
	t.over[e.version] = e
	t.productive = slices.DeleteFunc(t.productive, func(p *entry) bool { return p.version == e.version })
	if e.stage == Production {
		t.productive = append(t.productive, e)
	}
}

// bytes returns about how long the lines are.
func (t *txn) bytes() int64 {
	n := 0
	for _, line := range t.lines {
		n += len(line) + 1
	}
	return int64(n)
}

func (t *txn) get(version string) *entry {
	if e := t.over[version]; e != nil {
		return e
	}
	return t.base.get(version)
}

// production is the version in production with the changes so far, or nil.
func (t *txn) production() *entry {
	var h *entry
	for _, e := range t.productive {
		if h == nil || e.newer(h) {
			h = e
		}
	}
	return h
}

// stage returns an entry's stage as readers see it.
func (t *txn) stage(e *entry) ModelStage {
	stage := e.stage
	if stage == Production && t.production() != e {
		return Archived
	}
	return stage
}

// previousProduction returns the version that Rollback restores when it is given
// none.
func (t *txn) previousProduction() (string, error) {
	for _, e := range t.events[t.noted:] { // what this append did before
		if p := e.enters(Production); p != "" {
			t.productions = after(t.productions, e.op, p)
		}
	}
	t.noted = len(t.events)
	list, now := t.productions, t.production()
	for i := len(list) - 1; i >= 0; i-- {
		if t.get(list[i]) == nil || now != nil && list[i] == now.version {
			continue
		}
		return list[i], nil
	}
	return "", notFound("a production version before the present one")
}

// enters returns the version that the event puts into a stage.
func (e *event) enters(stage ModelStage) string {
	if e.to == stage && !e.refused {
		return e.version
	}
	return ""
}

// move appends the event of a move that was checked.
func (t *txn) move(mv move, e *entry, o MoveOptions, results []GateResult) error {
	ev := &event{op: mv.op, version: e.version, from: t.stage(e), to: mv.to, actor: o.Actor, reason: o.Reason,
		results: results, skippedGates: o.SkipGates && mv.op == opPromote, forced: o.Force && mv.forbids(e), after: make([]image, 0, 2)}
	var predecessor *entry
	if mv.to == Production {
		if predecessor = t.production(); predecessor != nil {
			ev.after = append(ev.after, t.staged(predecessor, Archived))
		}
	}
	var also []pyjson.Member
	var promotedBy *string
	if mv.op == opPromote || mv.op == opRollback {
		promotedBy = &o.Actor
		by := []byte("null")
		if o.Actor != "" {
			by = pyjson.Quote(o.Actor)
		}
		also = []pyjson.Member{{Key: "promoted_by", Value: by}}
	}
	ev.after = append(ev.after, t.staged(e, mv.to, also...))
	if err := t.emit(ev); err != nil {
		return err
	}
	if predecessor != nil {
		t.carry(predecessor, Archived, nil)
	}
	t.carry(e, mv.to, promotedBy)
	return nil
}

// carry spares whoever asks for a version that was moved the decoding of its new entry, if the old one was decoded.
func (t *txn) carry(old *entry, to ModelStage, promotedBy *string) {
	known := old.decoded.Load()
	if known == nil || len(known.Problems) > 0 || promotedBy != nil && !utf8.ValidString(*promotedBy) {
		return
	}
	v := *known
	v.Stage = to
	at := t.now.Truncate(time.Microsecond) // as the entry has it
	switch to {
	case Staging:
		v.PromotedToStaging = at
	case Production:
		v.PromotedToProduction = at
	case Archived:
		v.ArchivedAt = at
	}
	if promotedBy != nil {
		v.PromotedBy = *promotedBy
	}
	t.over[old.version].decoded.Store(&v)
}

// stamped names the key that holds when a version entered a stage.
var stamped = map[ModelStage]string{Staging: "promoted_to_staging", Production: "promoted_to_prod", Archived: "archived_at"}

// stamp is the time of the changes, as entries and events have it.
func (t *txn) stamp() string {
	if t.written == "" {
		t.written = formatTime(t.now)
	}
	return t.written
}

// staged returns the image of an entry that enters a stage now, with what else is set in it.
func (t *txn) staged(e *entry, stage ModelStage, also ...pyjson.Member) image {
	set := append(make([]pyjson.Member, 0, 4), also...)
	room := make([]byte, 0, 128)
	put := func(key, text string) {
		from := len(room)
		room = pyjson.AppendString(room, text)
		set = append(set, pyjson.Member{Key: key, Value: room[from:]})
	}
	put("version", e.version)
	put("stage", string(stage))
	if key := stamped[stage]; key != "" {
		put(key, t.stamp())
	}
	return image{version: e.version, raw: document.Set(e.layOut(), set), extra: e.extra, stageRead: stage}
}

// view returns an entry as a caller sees it.
func (t *txn) view(e *entry) ModelVersion {
	v := e.view(t.production)
	v.ModelGates = t.base.facts.gates
	return v
}

// record appends what another program did and nobody recorded yet, if there is such.
func (t *txn) record(pending *event) error {
	if pending == nil {
		return nil
	}
	e := *pending
	e.deleted = withMembers(e.deleted, tombstones(e.gone, t.stamp()))
	return t.emit(&e)
}

// emit numbers an event and adds it to the append. The first of our own in an
// append also mends a second production version, if another program left one.
func (t *txn) emit(ev *event) error {
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
		im.made = newEntry(&t.base.name, im, pos)
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

func (t *txn) mend(ev *event) {
	h := t.base.holder(Production)
	for v := range t.base.productive {
		touched := slices.ContainsFunc(ev.after, func(im image) bool { return im.version == v })
		if v != h.version && !touched {
			ev.after = append(ev.after, t.staged(t.get(v), Archived))
		}
	}
	slices.SortStableFunc(ev.after, func(a, b image) int { return t.place(a) - t.place(b) })
}

func (t *txn) place(im image) int {
	if e := t.get(im.version); e != nil {
		return e.pos
	}
	return len(t.base.order)
}

// number returns the version that an auto-versioned registration gets.
func (t *txn) number() (string, error) {
	return nextVersion(t.high)
}

// register appends the event of a registration.
func (t *txn) register(version string, raw, x []byte, actor, reason string) error {
	return t.emit(&event{op: opRegister, version: version, to: Development, actor: actor, reason: reason,
		after: []image{{version: version, raw: raw, extra: x, stageRead: Development}}})
}

// free returns why a pinned version can't be registered, or nil.
func (t *txn) free(version string) error {
	if t.get(version) != nil || slices.Contains(t.base.removed, version) {
		return fmt.Errorf("%w", ErrExists)
	}
	clash := func(other string) error {
		return fmt.Errorf("%w: %s differs in case only, which some file systems can't tell apart", ErrExists, other)
	}
	if parseVersion(version).Prerelease() == "" && parseVersion(version).Metadata() == "" {
		return nil // digits and dots have one case
	}
	for _, e := range t.base.order {
		if strings.EqualFold(e.version, version) {
			return clash(e.version)
		}
	}
	for v := range t.over {
		if strings.EqualFold(v, version) {
			return clash(v)
		}
	}
	return nil
}
