package modelregistry

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/timeline"
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
	return json.Marshal(struct {
		UseCase  string     `json:"use_case"`
		Model    string     `json:"model_name"`
		Version  string     `json:"version"`
		Stage    ModelStage `json:"stage"`
		Since    *string    `json:"since"`
		Until    *string    `json:"until"`
		By       string     `json:"by,omitempty"`
		Reason   string     `json:"reason,omitempty"`
		Inferred bool       `json:"inferred,omitempty"`
		Event    Event      `json:"event"`
		End      *Event     `json:"end"`
	}{t.Name.UseCase, t.Name.Model, t.Version, t.Stage, timeOrNull(t.Since), timeOrNull(t.Until), t.By, t.Event.Reason, t.Inferred, t.Event, t.End})
}

// ProductionAt returns the period of the version that was in production at an
// instant. The zero time, and any time that is not before the registry's clock,
// means now. The error matches ErrNotFound if no version was in production, or
// if that is not known.
//
// [ModelRegistry.StagePeriods] describes how events are dated, and what is
// known about changes by other programs. ProductionAt reads the history from
// its end, as far as it needs to. It stops after a hundred events before the
// answer whose times fit their order. So its answer can differ from that of
// StagePeriods if the clock was wrong for a hundred events or more.
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
// versions that were in the stage at an instant, the latest entry into it
// first. If there are none, the list is empty and the error nil. For stages
// other than production it reads the whole history.
func (r *ModelRegistry) StageAt(ctx context.Context, name ModelName, stage ModelStage, at time.Time) ([]StagePeriod, error) {
	held, err := r.periods(name, stage, func(m *engine.Model) ([]*timeline.Period, error) {
		return timeline.PeriodsAt(ctx, m, string(stage), at)
	})
	if err != nil {
		return nil, opError("stage at", name.all(), err)
	}
	held = slices.DeleteFunc(held, func(t StagePeriod) bool { return !t.Holds(at) })
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
func (r *ModelRegistry) StagePeriods(ctx context.Context, name ModelName, stage ModelStage) ([]StagePeriod, error) {
	list, err := r.periods(name, stage, func(m *engine.Model) ([]*timeline.Period, error) {
		return timeline.Periods(ctx, m, string(stage))
	})
	return list, opError("stage periods", name.all(), err)
}

// periods returns the periods that read returns, as callers see them.
func (r *ModelRegistry) periods(name ModelName, stage ModelStage, read func(*engine.Model) ([]*timeline.Period, error)) (list []StagePeriod, err error) {
	if !stage.known() {
		_, err := ParseStage(string(stage))
		return nil, err
	}
	m, err := r.model(name)
	if err != nil {
		return nil, err
	}
	periods, err := read(m.Model)
	for _, p := range periods {
		list = append(list, publicPeriod(name, p))
	}
	return list, timelineError(name, err)
}

// publicPeriod returns a stage period as callers see it.
func publicPeriod(name ModelName, p *timeline.Period) StagePeriod {
	t := StagePeriod{Name: name, Version: p.Version, Stage: ModelStage(p.Stage), Since: p.Since, Until: p.Until,
		By: p.By, Event: publicEvent(name, &p.Event), Inferred: p.Inferred, from: p.From}
	if p.End != nil {
		end := publicEvent(name, p.End)
		t.End = &end
	}
	return t
}
