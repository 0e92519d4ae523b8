package timeline

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Period is a span of time in which a version held a stage.
type Period struct {
	Version, Stage string
	Since, Until   time.Time // zero if not known, or not ended
	From           time.Time // where it is first known to hold
	By             string    // empty if not known
	Event          Event     // began it
	End            *Event    // ended it; nil if it has not ended
	Inferred       bool      // Since and By come from an entry that another program wrote
}

// Periods returns every period in which a version held a stage, in the order in
// which they began. If the history is damaged, the error is a
// *driver.CorruptError.
func Periods(ctx context.Context, m *engine.Model, stage string) (list []*Period, err error) {
	h, events, err := allEvents(ctx, m)
	if err != nil {
		return nil, err
	}
	for _, p := range h.periods(events) {
		if p.Stage == stage && (p.End == nil || p.Until.After(p.From)) {
			list = append(list, p)
		}
	}
	return list, nil
}

// A chronicle follows versions through their stages.
type chronicle struct {
	state *index.State
	all   []*Period // in the order in which they began
	now   map[string]*Period
}

func (h *history) periods(events []Event) []*Period {
	c := &chronicle{state: index.New(h.m.Name.UseCase, h.m.Name.Model), now: map[string]*Period{}}
	times, _ := index.Believed(writtenTimes(events), h.now)
	var before time.Time
	for i := range events {
		c.take(&events[i], before, times[i])
		before = times[i]
	}
	return c.all
}

func writtenTimes(events []Event) []time.Time {
	times := make([]time.Time, len(events))
	for i, e := range events {
		times[i] = e.Time
	}
	return times
}

// take goes on by one event.
func (c *chronicle) take(e *Event, before, at time.Time) {
	if e.Op == index.OpForeign || e.Op == index.OpImport || e.Op == index.OpRepair {
		c.stamps(e, before, at)
	}
	touched := slices.Sorted(maps.Keys(c.state.Productive)) // another program may put one beside it, promoted later
	for _, ch := range e.Changes {
		touched = append(touched, ch.Version)
	}
	apply := *e.Event
	if apply.Number == 0 { // it is not recorded yet
		apply.Number = c.state.Last + 1
	}
	c.state.Apply(&apply, 0)
	for _, version := range touched {
		entry := c.state.Get(version)
		if entry == nil {
			c.leave(version, e, at)
			continue
		}
		f := index.ReadFields(version, entry.Raw)
		stage := f.Stage
		if stage == index.Production && c.state.Holder(index.Production) != entry {
			stage = index.Archived // as readers see it
		}
		old := c.now[version]
		if old != nil && old.Stage == stage {
			continue
		}
		p := c.enter(version, stage, e, at)
		by := promotedBy(stage, f.PromotedToStaging, f.PromotedToProduction, f.PromotedBy)
		switch {
		case old == nil && (e.Op == index.OpImport || e.Op == index.OpRepair):
			p.Since, p.Inferred, p.By = time.Time{}, true, by
		case e.Op == index.OpForeign:
			p.By = by
		}
	}
}

func (c *chronicle) enter(version, stage string, e *Event, at time.Time) *Period {
	c.leave(version, e, at)
	p := &Period{Version: version, Stage: stage, Since: at, By: e.Actor, Event: *e, From: at}
	c.all, c.now[version] = append(c.all, p), p
	return p
}

func (c *chronicle) leave(version string, e *Event, at time.Time) {
	if p := c.now[version]; p != nil {
		p.End, p.Until = e, at
		delete(c.now, version)
	}
}

// A stampedMove is a move that is known only from a time in an entry.
type stampedMove struct {
	version, stage string
	at             time.Time
	by             string
	vague          bool // the end of the stage is not known
}

// stamps applies the moves between two events that are known from times in
// entries.
func (c *chronicle) stamps(e *Event, before, at time.Time) {
	var moves []stampedMove
	for _, im := range e.After {
		moves = append(moves, stampedMoves(im.Version, im.Raw, before, at)...)
	}
	slices.SortStableFunc(moves, func(a, b stampedMove) int { return a.at.Compare(b.at) })
	for _, mv := range moves {
		if mv.vague {
			c.leave(mv.version, e, mv.at)
			continue
		}
		if mv.stage == index.Production { // there is one at a time
			for version, p := range c.now {
				if p.Stage == index.Production {
					c.leave(version, e, mv.at)
				}
			}
		}
		p := c.enter(mv.version, mv.stage, e, mv.at)
		p.Inferred, p.By = true, mv.by
	}
}

// stampedMoves returns the moves of a version between two instants that its
// entry has, in order.
func stampedMoves(version string, raw []byte, after, until time.Time) (moves []stampedMove) {
	f := index.ReadFields(version, raw)
	for _, mv := range []stampedMove{
		{stage: index.Development, at: f.RegisteredAt}, {stage: index.Staging, at: f.PromotedToStaging},
		{stage: index.Production, at: f.PromotedToProduction}, {stage: index.Archived, at: f.ArchivedAt},
	} {
		if !mv.at.IsZero() && mv.at.After(after) && !mv.at.After(until) {
			mv.version = version
			mv.by = promotedBy(mv.stage, f.PromotedToStaging, f.PromotedToProduction, f.PromotedBy)
			moves = append(moves, mv)
		}
	}
	slices.SortStableFunc(moves, func(a, b stampedMove) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		switch f.Stage { // of moves at one time, that to where it is now is the last
		case a.stage:
			return 1
		case b.stage:
			return -1
		}
		return 0
	})
	if n := len(moves); n > 0 && moves[n-1].stage != f.Stage {
		moves[n-1].vague = true
	}
	return moves
}

// promotedBy returns the person or program that moved a version into a stage,
// or "". by is who promoted it last, and is all that its entry says.
func promotedBy(stage string, staging, production time.Time, by string) string {
	latest := index.Staging
	if production.After(staging) {
		latest = index.Production
	}
	if stage != latest {
		return ""
	}
	return by
}
