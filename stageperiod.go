package modelregistry

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A StagePeriod is a span of time in which a version held a stage.
type StagePeriod struct {
	Name    ModelName
	Version string
	Stage   ModelStage

	// Since and Until bound the period: Since <= t < Until. Since is zero if
	// the beginning is not known. Until is zero if the period has not ended.
	Since, Until time.Time

	// By is the person or program that moved the version there, empty if not
	// known.
	By string
	// Event began the period; Event.Reason is the reason. End ended it, and is
	// nil if the period has not ended.
	Event Event
	End   *Event

	// Inferred is true if Since and By come from an entry that another program
	// wrote. The registry did not make the move; Event recorded the entry.
	Inferred bool

	from time.Time // where it is first known to hold
}

// Holds reports whether the period covers an instant. The zero time is the
// present.
func (t *StagePeriod) Holds(at time.Time) bool {
	if at.IsZero() {
		return t.End == nil
	}
	return !at.Before(t.from) && (t.End == nil || at.Before(t.Until))
}

// MarshalJSON returns the period, with null for unknown times and for an end
// that has not happened.
func (t StagePeriod) MarshalJSON() ([]byte, error) {
	when := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return index.FormatTime(t)
	}
	return json.Marshal(struct {
		UseCase  string     `json:"use_case"`
		Model    string     `json:"model_name"`
		Version  string     `json:"version"`
		Stage    ModelStage `json:"stage"`
		Since    any        `json:"since"`
		Until    any        `json:"until"`
		By       string     `json:"by,omitempty"`
		Reason   string     `json:"reason,omitempty"`
		Inferred bool       `json:"inferred,omitempty"`
		Event    Event      `json:"event"`
		End      *Event     `json:"end"`
	}{t.Name.UseCase, t.Name.Model, t.Version, t.Stage, when(t.Since), when(t.Until), t.By, t.Event.Reason, t.Inferred, t.Event, t.End})
}

// ProductionAt returns the period of the version that was in production at an
// instant. The zero time, and any time that is not before the registry's clock,
// means now. The error matches ErrNotFound if no version was in production, or
// if that is not known.
//
// [ModelRegistry.StagePeriods] describes how events are dated, and what is
// known about changes by other programs.
func (r *ModelRegistry) ProductionAt(ctx context.Context, name ModelName, at time.Time) (StagePeriod, error) {
	list, err := r.StageAt(ctx, name, Production, at)
	if err != nil {
		return StagePeriod{}, opError("production at", name.all(), err)
	}
	if len(list) == 0 {
		return StagePeriod{}, opError("production at", name.all(), notFound("a version in production then"))
	}
	return list[0], nil
}

// StageAt is like ProductionAt for any stage. It returns the periods of all
// versions that were in the stage at an instant, the one that entered it last
// first. If there are none, the list is empty and the error nil.
func (r *ModelRegistry) StageAt(ctx context.Context, name ModelName, stage ModelStage, at time.Time) ([]StagePeriod, error) {
	all, err := r.StagePeriods(ctx, name, stage)
	if err != nil {
		return nil, opError("stage at", name.all(), err)
	}
	held := slices.DeleteFunc(all, func(t StagePeriod) bool { return !t.Holds(at) })
	slices.Reverse(held)
	return held, nil
}

// StagePeriods returns every period in which a version held a stage, in the
// order in which they began. Periods in production don't overlap.
//
// # Time
//
// The order of the events decides, not the clock. A stage period has the times
// of the events that began and ended it, if these times fit the order. Because
// a clock may be wrong, the registry uses the longest sequence of events whose
// times do not decrease. Any other event counts as having happened at the time
// of the event before it. Event.Time is always the time as it was written.
//
// # Other programs
//
// Moves by other programs are dated by the times in their entries, if these lie
// between the events before and after. Inferred marks such a period. An entry
// has only the last time at which its version entered each stage. So if another
// program moved a version to production twice, the first time is lost. A move
// without a usable time counts from the event that recorded it.
//
// If the history is damaged, the error is a *[CorruptError], because a part of
// it could give a wrong answer. After a repair, the periods come from the
// remaining events; the history says which events are lost.
func (r *ModelRegistry) StagePeriods(ctx context.Context, name ModelName, stage ModelStage) (list []StagePeriod, err error) {
	defer func() { err = opError("stage periods", name.all(), err) }()
	if !stage.known() {
		_, err := ParseStage(string(stage))
		return nil, err
	}
	log, err := r.readHistory(ctx, name)
	if err != nil {
		return nil, err
	}
	var events []pastEvent
	for e, err := range log.events(ctx) {
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	for _, t := range stagePeriods(name, events, log.now) {
		if t.Stage == stage && (t.End == nil || t.Until.After(t.from)) {
			list = append(list, *t)
		}
	}
	return list, nil
}

// A chronicle follows versions through their stages.
type chronicle struct {
	state *index.State
	all   []*StagePeriod // in the order in which they began
	now   map[string]*StagePeriod
}

func stagePeriods(name ModelName, events []pastEvent, now time.Time) []*StagePeriod {
	c := &chronicle{state: index.New(name.UseCase, name.Model), now: map[string]*StagePeriod{}}
	times := make([]time.Time, len(events))
	for i, e := range events {
		times[i] = e.Event.Time
	}
	times = index.Believed(times, now)
	var before time.Time
	for i := range events {
		c.take(&events[i], before, times[i])
		before = times[i]
	}
	return c.all
}

// take goes on by one event.
func (c *chronicle) take(e *pastEvent, before, at time.Time) {
	if e.Op == OpForeign || e.Op == OpImport || e.Op == OpRepair {
		c.stamps(e, before, at)
	}
	touched := slices.Sorted(maps.Keys(c.state.Productive)) // another program may put one beside it, promoted later
	for _, ch := range e.Changes {
		touched = append(touched, ch.Version)
	}
	apply := *e.line
	if e.Unrecorded() {
		apply.Number = c.state.Last + 1
	}
	c.state.Apply(&apply, 0)
	for _, version := range touched {
		entry := c.state.Get(version)
		if entry == nil {
			c.leave(version, &e.Event, at)
			continue
		}
		v := viewEntry(c.state, entry)
		old := c.now[version]
		if old != nil && old.Stage == v.Stage {
			continue
		}
		t := c.enter(version, v.Stage, &e.Event, at)
		switch {
		case old == nil && (e.Op == OpImport || e.Op == OpRepair):
			t.Since, t.Inferred = time.Time{}, true
			t.By = promotedBy(v, v.Stage)
		case e.Op == OpForeign:
			t.By = promotedBy(v, v.Stage)
		}
	}
}

func (c *chronicle) enter(version string, stage ModelStage, e *Event, at time.Time) *StagePeriod {
	c.leave(version, e, at)
	t := &StagePeriod{Name: e.Name, Version: version, Stage: stage, Since: at, By: e.Actor, Event: *e, from: at}
	c.all, c.now[version] = append(c.all, t), t
	return t
}

func (c *chronicle) leave(version string, e *Event, at time.Time) {
	if t := c.now[version]; t != nil {
		t.End, t.Until = e, at
		delete(c.now, version)
	}
}

// A stampedMove is a move that is known only from a time in an entry.
type stampedMove struct {
	version ModelVersion
	stage   ModelStage
	at      time.Time
	vague   bool // the end of the stage is not known
}

// stamps applies the moves between two events that are known from times in
// entries.
func (c *chronicle) stamps(e *pastEvent, before, at time.Time) {
	var moves []stampedMove
	for _, im := range e.line.After {
		moves = append(moves, stampedMoves(decodeEntry(e.Name, im.Version, im.Raw), before, at)...)
	}
	slices.SortStableFunc(moves, func(a, b stampedMove) int { return a.at.Compare(b.at) })
	for _, mv := range moves {
		if mv.vague {
			c.leave(mv.version.Version, &e.Event, mv.at)
			continue
		}
		if mv.stage == Production { // there is one at a time
			for version, t := range c.now {
				if t.Stage == Production {
					c.leave(version, &e.Event, mv.at)
				}
			}
		}
		t := c.enter(mv.version.Version, mv.stage, &e.Event, mv.at)
		t.Inferred, t.By = true, promotedBy(mv.version, mv.stage)
	}
}

// stampedMoves returns the moves of a version between two instants that its
// entry has, in order.
func stampedMoves(v ModelVersion, after, until time.Time) (moves []stampedMove) {
	for _, s := range []stampedMove{
		{stage: Development, at: v.RegisteredAt}, {stage: Staging, at: v.PromotedToStaging},
		{stage: Production, at: v.PromotedToProduction}, {stage: Archived, at: v.ArchivedAt},
	} {
		if !s.at.IsZero() && s.at.After(after) && !s.at.After(until) {
			s.version = v
			moves = append(moves, s)
		}
	}
	slices.SortStableFunc(moves, func(a, b stampedMove) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		switch v.Stage { // of moves at one time, that to where it is now is the last
		case a.stage:
			return 1
		case b.stage:
			return -1
		}
		return 0
	})
	if n := len(moves); n > 0 && moves[n-1].stage != v.Stage {
		moves[n-1].vague = true
	}
	return moves
}

// promotedBy returns the person or program that moved a version into a stage,
// or "". The entry names only the one that promoted it last.
func promotedBy(v ModelVersion, stage ModelStage) string {
	latest := Staging
	if v.PromotedToProduction.After(v.PromotedToStaging) {
		latest = Production
	}
	if stage != latest {
		return ""
	}
	return v.PromotedBy
}
