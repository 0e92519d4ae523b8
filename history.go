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

// HistoryOptions selects the events that History yields. The zero value and nil
// select all events, the oldest first.
type HistoryOptions struct {
	Versions []string    // only events that touch one of these versions; empty for all
	Ops      []Operation // only events of these operations; empty for all

	// Since and Until select events with Since <= Time < Until. A zero time is
	// no bound.
	Since, Until time.Time

	After  int64 // only events with a higher number, which excludes unrecorded changes; 0 for all
	Newest bool  // yield the newest event first; not possible with Follow

	// Follow waits for more events after the last one, until the context ends.
	// The end of the context is not an error. History then polls every
	// DefaultInterval, and yields an external change once it is recorded. If
	// another history replaces this one, the iteration ends with ErrNotFound.
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

// History yields a model's events, the oldest first. They include refused
// promotions, external changes, imports and repairs. If another program wrote
// the model and there is no history, it yields one unrecorded import.
//
// For a damaged line it yields a *[CorruptError] and an Event that has only the
// name and the expected number. The iteration then goes on with the next line.
// The From stages of later changes follow from the readable lines. After any
// other error the iteration ends. The options do not filter errors.
//
// The iteration shows the history as it was when the iteration began. It takes
// no lock. The sequence can be iterated several times; each iteration reads the
// whole history.
func (r *ModelRegistry) History(ctx context.Context, name ModelName, opts *HistoryOptions) iter.Seq2[Event, error] {
	var o HistoryOptions
	if opts != nil {
		o = *opts
	}
	if o.Newest && o.Follow {
		return func(yield func(Event, error) bool) {
			yield(Event{Name: name}, opError("history", name.all(), invalid("options: Newest and Follow exclude each other")))
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
				err = p.continues(log)
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

// A page is the part of a history that one iteration has yielded so far.
type page struct {
	HistoryOptions
	name   ModelName
	yield  func(Event, error) bool
	shown  int64  // the number of the last event that was yielded
	id     string // its id
	broken int64  // the number of the last damaged event that was yielded
}

// continues returns an error if the log is not the one whose events were
// yielded. Only a repair may remove an event that was yielded. A damaged log is
// not an error here, because the events yield the damage in its place.
func (p *page) continues(log *historyLog) error {
	lines := log.lines.Lines
	at := len(lines) // the first line that was not yielded
	for at > 0 && lines[at-1].Number > p.shown {
		at--
	}
	continued := p.shown == 0 || at < len(lines)
	if at > 0 && lines[at-1].Number == p.shown {
		same, repair := lines[at-1].ID == p.id, lines[at-1].Op == index.OpRepair
		if continued = same || repair; !same {
			p.shown-- // a repair event may reuse the number of a lost event
		}
	}
	if continued || len(log.lines.Damage) > 0 {
		return nil
	}
	return notFound("event %d, the last one yielded", p.shown)
}

// show yields the events that were not yielded before. It returns false if the
// caller ends the iteration.
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

// awaitChange waits until the model may have changed since its log was read,
// and returns true. It returns false if the context ends before.
func (r *ModelRegistry) awaitChange(ctx context.Context, log *historyLog) bool {
	timer := time.NewTimer(r.untilPoll(DefaultInterval))
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
		timer.Reset(r.untilPoll(DefaultInterval))
	}
}

// A historyLog is a model's history, read at one instant.
type historyLog struct {
	m       *model
	name    ModelName
	lines   *index.Log
	pending *index.Event // an external change that the lines do not have
	seen    driver.Revision
	shared  bool // another program is known to change the model
	now     time.Time
}

// A pastEvent is an event and the line of the history that it comes from.
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
		return nil // events yields the damage in its place
	})
	return log, err
}

// events yields the events in order, and an error for each damaged line.
func (l *historyLog) events(ctx context.Context) iter.Seq2[pastEvent, error] {
	return func(yield func(pastEvent, error) bool) {
		damage, before := l.lines.Damage, newPastState()
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

// past returns an event as callers see it. before is the model before the
// event; past applies the event to it.
func (l *historyLog) past(e *index.Event, before *pastState) pastEvent {
	p := pastEvent{line: e, Event: Event{
		Name: l.name, Number: e.Number, ID: e.ID, Time: e.Time, Op: Operation(e.Op),
		Version: e.Version, From: ModelStage(e.From), To: ModelStage(e.To), Actor: e.Actor, Reason: e.Reason,
		Refused: e.Refused, SkippedGates: e.SkippedGates, Forced: e.Forced, Gates: decodeResults(e.Gates), VersionGates: versionGates(e), ModelGates: before.modelGates(e), Doubts: publicDoubts(e.Doubts),
	}}
	stays, gone := map[string]bool{}, map[string]bool{}
	for _, v := range e.Removed {
		gone[v] = true
	}
	for _, im := range e.After {
		stays[im.Version] = true
		if from, ok := before.stages[im.Version]; ok && gone[im.Version] { // the entry in After is another version with the same number
			p.Changes = append(p.Changes, Change{Version: im.Version, From: from})
			before.remove(im.Version)
		}
		to := ModelStage(cmp.Or(im.Stage(), index.Development))
		p.Changes = append(p.Changes, before.change(e, im, to))
	}
	removed := slices.Clone(e.Removed)
	if e.Reset {
		for v := range before.stages {
			if !stays[v] && !gone[v] {
				removed = append(removed, v)
			}
		}
		slices.SortFunc(removed, index.CompareVersions)
	}
	for _, v := range removed {
		if from, ok := before.stages[v]; ok && !stays[v] {
			p.Changes = append(p.Changes, Change{Version: v, From: from})
			before.remove(v)
		}
	}
	before.noteBeside(p.Changes)
	return p
}

// backward yields the elements of a sequence in reverse order.
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
