package modelregistry

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// HistoryOptions selects events. The zero value and nil select all.
type HistoryOptions struct {
	Versions []string    // events that touch one of these; all, if empty
	Ops      []Operation // of these operations; all, if empty

	// Since and Until bound the events' own times, by Since <= Time < Until.
	// Zero bounds nothing.
	Since, Until time.Time

	After  int64 // events with a higher number, so without unrecorded changes; 0 takes all
	Newest bool  // the newest first, not the oldest; not with Follow

	// Follow waits for more events after the last one, until the context ends,
	// which is no error. It polls every DefaultInterval. An external change is
	// yielded when it is recorded. If another history replaced this one, the
	// iteration ends with ErrNotFound.
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

// History yields a model's events, the oldest first, with refused promotions,
// external changes, imports and repairs. For a store without a history, which
// another program wrote, it yields one unrecorded import.
//
// A damaged line yields a *[CorruptError] with an Event that has only the
// expected number. The iteration goes on with the next line; the From stages
// after it are those that the readable lines make. After any other error the
// iteration ends. Filters do not hide errors.
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

// A page is the part of a history that one iteration has yielded.
type page struct {
	HistoryOptions
	name   ModelName
	yield  func(Event, error) bool
	shown  int64 // the last event
	id     string
	broken int64 // the last damage
}

// follows returns an error if the log is not the one whose events were yielded.
// Only a repair may remove an event that was yielded. Damage is reported where
// it is.
func (p *page) follows(log *historyLog) error {
	lines := log.lines.Lines
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
	if goesOn || len(log.lines.Damage) > 0 {
		return nil
	}
	return notFound("the event that was told last")
}

// show yields the events that were not yielded before. It reports false if the
// caller stops.
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
		if changed, err := log.m.Changed(ctx, log.seen, log.shared); err != nil || changed {
			return ctx.Err() == nil
		}
		timer.Reset(r.untilLook(DefaultInterval))
	}
}

// A historyLog is a model's history, read at one instant.
type historyLog struct {
	m       *model
	name    ModelName
	lines   *index.Log
	pending *index.Event // an external change since
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
	log := &historyLog{m: m, name: name, now: r.now()}
	err = r.store.Read(ctx, name.UseCase, name.Model, func(v driver.View) (err error) {
		lines, _, err := engine.Reader{View: v, Name: m.Name}.ReadLog(0)
		if err != nil {
			return err
		}
		log.lines = index.ReadLog(lines)
		now, err := m.Load(ctx, v)
		log.seen = v.Revision()
		log.shared = err == nil && now.Shared()
		switch {
		case err == nil && now.Empty() && now.Pending == nil:
			return notFound("model %s", name)
		case err == nil && now.Pending != nil:
			p := *now.Pending
			p.Time = log.now
			log.pending = &p
		case err != nil && len(lines) == 0:
			return err
		}
		return nil // damage shows in its place
	})
	return log, err
}

// events yields the events in order, and an error where a line is damaged.
func (l *historyLog) events(ctx context.Context) iter.Seq2[pastEvent, error] {
	return func(yield func(pastEvent, error) bool) {
		damage, before := l.lines.Damage, newRetrospect()
		for _, line := range l.lines.Lines {
			for len(damage) > 0 && damage[0].At <= line.At {
				if !yield(l.damaged(damage[0])) {
					return
				}
				damage = damage[1:]
			}
			if err := ctx.Err(); err != nil {
				yield(pastEvent{Event: Event{Name: l.name}}, err)
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

func (l *historyLog) damaged(d index.LogDamage) (pastEvent, error) {
	return pastEvent{Event: Event{Name: l.name, Number: d.Event}}, engine.Reader{Name: l.m.Name}.Corrupt(engine.LogFile, d.At, d.Err)
}

// past returns an event as callers see it, given the model before the event,
// and applies the event to that.
func (l *historyLog) past(e *index.Event, before *retrospect) pastEvent {
	p := pastEvent{line: e, Event: Event{
		Name: l.name, Number: e.Number, ID: e.ID, Time: e.Time, Op: Operation(e.Op),
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
