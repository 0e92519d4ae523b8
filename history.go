package modelregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// An Operation says what an event of a model's history did.
type Operation string

// The operations.
const (
	OpRegister Operation = index.OpRegister
	OpPromote  Operation = index.OpPromote
	OpDemote   Operation = index.OpDemote
	OpRollback Operation = index.OpRollback
	OpArchive  Operation = index.OpArchive
	OpForeign  Operation = index.OpForeign // another program or an editor changed registry.json
	OpImport   Operation = index.OpImport  // a store that had no history, or had lost it, was taken over
	OpRepair   Operation = index.OpRepair  // Repair found the history damaged, and says what it made of it
)

// An Event is one change of a model, or a promotion that gates refused.
type Event struct {
	Name ModelName

	// Number orders the events of a model, from 1 and up by one; an import or a
	// repair may leave numbers out. It is 0 for what another program changed in
	// registry.json and no change has recorded yet: see Unrecorded.
	Number int64
	ID     string    // 128 random bits, hex
	Time   time.Time // by the clock of who wrote it, UTC, in microseconds
	Op     Operation

	// Version is the one that the event is about, and From and To its stages.
	// They are empty for a foreign change, an import and a repair, which
	// Changes describes.
	Version  string
	From, To ModelStage

	Actor  string // who did it; empty if nobody said
	Reason string // why; empty if nobody said

	Refused      bool         // gates held the promotion back: nothing changed
	SkippedGates bool         // the promotion was told to look at no gate
	Forced       bool         // Force let a rollback restore a version that never was in production
	Gates        []GateResult // what each gate found, in order

	// Changes tell every version whose entry the event added, changed or
	// removed: a promotion's predecessor too.
	Changes []Change

	// ModelGates are the model's gates after the event, if it changed them,
	// else nil.
	ModelGates *PromotionGate
	// Doubts say what of a foreign change could not be told, and what was made
	// of it. Verify reports each until the version is changed again.
	Doubts []Doubt
}

// A Change is what an event did to one version.
type Change struct {
	Version string     `json:"version"`
	From    ModelStage `json:"from,omitempty"` // empty if it was not there before
	To      ModelStage `json:"to,omitempty"`   // empty if it was removed; equal to From if something else in its entry changed

	// Forced says that another program promoted the version although its gates
	// were not looked at, as the entry has it. SkippedGates are those gates,
	// and what they find of the version.
	Forced       bool         `json:"forced,omitempty"`
	SkippedGates []GateResult `json:"skipped_gates,omitempty"`
	// Reused reports that another version had the number before: another
	// program counts from what is listed, so that it gives a deleted version's
	// number again.
	Reused bool `json:"reused,omitempty"`
}

// Unrecorded reports whether the event is what another program or an editor
// changed in registry.json since the last event. The next change records it,
// and then it gets its number; until then Time is when it was looked at.
func (e *Event) Unrecorded() bool { return e.Number == 0 }

// Touches reports whether the event is about a version, or changed its entry.
func (e *Event) Touches(version string) bool {
	return e.Version == version || slices.ContainsFunc(e.Changes, func(c Change) bool { return c.Version == version })
}

// MarshalJSON returns the event under the names that history.jsonl uses.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		UseCase      string         `json:"use_case"`
		Model        string         `json:"model_name"`
		Number       int64          `json:"event"`
		ID           string         `json:"id,omitempty"`
		Time         string         `json:"time"`
		Op           Operation      `json:"op"`
		Version      string         `json:"version,omitempty"`
		From         ModelStage     `json:"from,omitempty"`
		To           ModelStage     `json:"to,omitempty"`
		Actor        string         `json:"actor,omitempty"`
		Reason       string         `json:"reason,omitempty"`
		Refused      bool           `json:"refused,omitempty"`
		SkippedGates bool           `json:"skipped_gates,omitempty"`
		Forced       bool           `json:"forced,omitempty"`
		Gates        []GateResult   `json:"gates,omitempty"`
		Changes      []Change       `json:"changes,omitempty"`
		ModelGates   *PromotionGate `json:"model_gates,omitempty"`
		Doubts       []Doubt        `json:"doubts,omitempty"`
		Unrecorded   bool           `json:"unrecorded,omitempty"`
	}{e.Name.UseCase, e.Name.Model, e.Number, e.ID, index.FormatTime(e.Time), e.Op, e.Version, e.From, e.To, e.Actor, e.Reason,
		e.Refused, e.SkippedGates, e.Forced, e.Gates, e.Changes, e.ModelGates, e.Doubts, e.Unrecorded()})
}

// HistoryOptions say which events to look at. The zero value and nil take all.
type HistoryOptions struct {
	Versions []string    // events that touch one of these; all, if empty
	Ops      []Operation // of these operations; all, if empty

	// Since and Until bound the events' own times, by Since <= Time < Until.
	// Zero bounds nothing.
	Since, Until time.Time

	After  int64 // events with a higher number, so without unrecorded changes; 0 takes all
	Newest bool  // the newest first, not the oldest; not with Follow

	// Follow waits for more behind the last event, until the context ends,
	// which then is no error. It looks once a DefaultInterval. Unrecorded
	// changes come when they are recorded. If another history took the place of
	// this one, it ends with ErrNotFound.
	Follow bool
}

func (o HistoryOptions) take(e *Event) bool {
	touches := func(v string) bool { return e.Touches(v) }
	return (len(o.Versions) == 0 || slices.ContainsFunc(o.Versions, touches)) &&
		(len(o.Ops) == 0 || slices.Contains(o.Ops, e.Op)) &&
		(o.Since.IsZero() || !e.Time.Before(o.Since)) &&
		(o.Until.IsZero() || e.Time.Before(o.Until)) &&
		(o.After == 0 || e.Number > o.After)
}

// History yields a model's events as they happened, the oldest first; refused
// promotions, foreign changes, imports and repairs too. A store that has no
// history, because another program wrote it, yields one unrecorded import.
//
// A line that can't be read, or is not as it was written, is a *[CorruptError]
// in its place, with an Event that has no more than the number that should
// stand there; iteration goes on with the next line, whose From stages are as
// good as what could be read. After any other error it ends. No filter holds
// such errors back.
//
// It shows the history as of when the iteration began, takes no lock, and may
// be left and begun again. It reads the whole history each time.
func (r *ModelRegistry) History(ctx context.Context, name ModelName, opts *HistoryOptions) iter.Seq2[Event, error] {
	var o HistoryOptions
	if opts != nil {
		o = *opts
	}
	if o.Newest && o.Follow {
		return func(yield func(Event, error) bool) {
			yield(Event{Name: name}, opError("history", name.all(), invalid("options: Newest goes not with Follow")))
		}
	}
	return func(yield func(Event, error) bool) {
		p := &page{HistoryOptions: o, name: name, yield: yield}
		for {
			log, err := r.readHistory(ctx, name)
			if o.Follow && ctx.Err() != nil {
				return
			}
			if err == nil && o.Follow {
				err = p.follows(log)
			}
			if err != nil {
				yield(Event{Name: name}, opError("history", name.all(), err))
				return
			}
			if !p.show(log.events(ctx)) || !o.Follow || !r.awaitChange(ctx, log) {
				return
			}
		}
	}
}

// A page is what of a history one iteration has shown.
type page struct {
	HistoryOptions
	name   ModelName
	yield  func(Event, error) bool
	shown  int64 // the last event
	id     string
	broken int64 // the last damage
}

// follows returns an error if a log is not the one of which some was shown: an
// event that was shown stays, but for a repair. Where a log is damaged, that is
// told in its place.
func (p *page) follows(log *historyLog) error {
	lines := log.x.lines
	at := len(lines) // behind what was shown
	for at > 0 && lines[at-1].Number > p.shown {
		at--
	}
	goesOn := p.shown == 0 || at < len(lines)
	if at > 0 && lines[at-1].Number == p.shown {
		same, repair := lines[at-1].ID == p.id, lines[at-1].Op == index.OpRepair
		if goesOn = same || repair; !same {
			p.shown-- // a repair may take the number of what was lost
		}
	}
	if goesOn || len(log.x.damage) > 0 {
		return nil
	}
	return notFound("the event that was told last")
}

// show yields what was not shown before. It reports false if the caller has
// enough.
func (p *page) show(events iter.Seq2[pastEvent, error]) bool {
	if p.Newest {
		events = backward(events)
	}
	for e, err := range events {
		switch {
		case !p.Follow:
		case err != nil && e.Number > p.broken:
			p.broken = e.Number
		case err == nil && e.Number > p.shown:
			p.shown, p.id = e.Number, e.ID
		default:
			continue
		}
		if err == nil && !p.take(&e.Event) {
			continue
		}
		if !p.yield(e.Event, opError("history", p.name.all(), err)) {
			return false
		}
	}
	return true
}

// awaitChange returns true when a model may have changed since its log was
// read, false when the context ended.
func (r *ModelRegistry) awaitChange(ctx context.Context, log *historyLog) bool {
	timer := time.NewTimer(r.untilLook(DefaultInterval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
		if changed, err := r.changed(ctx, log.m.name, log.seen, log.shared); err != nil || changed {
			return ctx.Err() == nil
		}
		timer.Reset(r.untilLook(DefaultInterval))
	}
}

// A historyLog is a model's history, read at one instant.
type historyLog struct {
	m       *model
	x       modelCheck   // of its lines
	pending *index.Event // what somebody else changed since
	seen    driver.Revision
	shared  bool // with other programs
	now     time.Time
}

// A pastEvent is an event, with what only the registry needs to know of it.
type pastEvent struct {
	Event
	line *index.Event
}

func (r *ModelRegistry) readHistory(ctx context.Context, name ModelName) (*historyLog, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := r.model(name)
	if err != nil {
		return nil, err
	}
	log := &historyLog{m: m, now: r.now()}
	err = r.store.Read(ctx, name.UseCase, name.Model, func(v driver.View) (err error) {
		lines, _, err := m.readLog(v, 0)
		if err != nil {
			return err
		}
		log.x.readLog(lines)
		fresh := &model{r: r, name: name}
		err = fresh.loadSettled(ctx, v)
		log.seen = v.Revision()
		log.shared = err == nil && fresh.state.shared()
		switch {
		case err == nil && fresh.state.Empty() && fresh.state.Pending == nil:
			return notFound("model %s", name)
		case err == nil && fresh.state.Pending != nil:
			p := *fresh.state.Pending
			p.Time = log.now
			log.pending = &p
		case err != nil && len(lines) == 0:
			return err
		}
		return nil // damage shows in its place
	})
	return log, err
}

// events yields the events in order, and what is damaged in its place.
func (l *historyLog) events(ctx context.Context) iter.Seq2[pastEvent, error] {
	return func(yield func(pastEvent, error) bool) {
		damage, before := l.x.damage, newRetrospect()
		for _, line := range l.x.lines {
			for len(damage) > 0 && damage[0].at <= line.at {
				if !yield(l.damaged(damage[0])) {
					return
				}
				damage = damage[1:]
			}
			if err := ctx.Err(); err != nil {
				yield(pastEvent{Event: Event{Name: l.m.name}}, err)
				return
			}
			if !yield(l.past(line.Event, before), nil) {
				return
			}
		}
		for _, d := range damage {
			if !yield(l.damaged(d)) {
				return
			}
		}
		if l.pending != nil {
			yield(l.past(l.pending, before), nil)
		}
	}
}

func (l *historyLog) damaged(d damage) (pastEvent, error) {
	return pastEvent{Event: Event{Name: l.m.name, Number: d.event}}, l.m.corrupt(logFile, d.at, d.err)
}

// past returns an event as callers see it, given what was before it, which it
// brings up to date.
func (l *historyLog) past(e *index.Event, before *retrospect) pastEvent {
	p := pastEvent{line: e, Event: Event{
		Name: l.m.name, Number: e.Number, ID: e.ID, Time: e.Time, Op: Operation(e.Op),
		Version: e.Version, From: ModelStage(e.From), To: ModelStage(e.To), Actor: e.Actor, Reason: e.Reason,
		Refused: e.Refused, SkippedGates: e.SkippedGates, Forced: e.Forced, Gates: decodeResults(e.Gates), ModelGates: before.modelGates(e), Doubts: publicDoubts(e.Doubts),
	}}
	stays := map[string]bool{}
	for _, im := range e.After {
		stays[im.Version] = true
		if from, ok := before.stages[im.Version]; ok && slices.Contains(e.Removed, im.Version) { // another one has the number now
			p.Changes = append(p.Changes, Change{Version: im.Version, From: from})
			before.remove(im.Version)
		}
		to := ModelStage(cmp.Or(im.Stage(), index.Development))
		p.Changes = append(p.Changes, before.change(e, im, to))
	}
	gone := slices.Clone(e.Removed)
	if e.Reset {
		for v := range before.stages {
			if !stays[v] && !slices.Contains(gone, v) {
				gone = append(gone, v)
			}
		}
		slices.SortFunc(gone, index.CompareVersions)
	}
	for _, v := range gone {
		if from, ok := before.stages[v]; ok && !stays[v] {
			p.Changes = append(p.Changes, Change{Version: v, From: from})
			before.remove(v)
		}
	}
	return p
}

// backward yields a sequence from its end.
func backward[V any](seq iter.Seq2[V, error]) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		type pair struct {
			v   V
			err error
		}
		var all []pair
		for v, err := range seq {
			all = append(all, pair{v, err})
		}
		for _, p := range slices.Backward(all) {
			if !yield(p.v, p.err) {
				return
			}
		}
	}
}
