package timeline

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// PeriodsAt returns the periods of a stage that hold at an instant, and perhaps
// others, in the order in which they began. The zero time is the present.
//
// For production it reads the history from its end, as far as that is
// necessary.
func PeriodsAt(ctx context.Context, m *engine.Model, stage string, at time.Time) ([]*Period, error) {
	if stage == index.Production {
		list, err := productionAt(ctx, m, at)
		if !errors.Is(err, errForward) {
			return list, err
		}
	}
	return Periods(ctx, m, stage)
}

func productionAt(ctx context.Context, m *engine.Model, at time.Time) (list []*Period, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	x := &instant{at: at, now: m.Now()}
	t, err := openTail(ctx, m, true)
	if err != nil {
		return nil, err
	}
	x.isHeld = t.isHeld
	err = t.inOneView(ctx, &end{}, func(events iter.Seq2[Event, error]) error {
		var newestFirst []Event
		for e, err := range events {
			if err != nil {
				return err
			}
			newestFirst = append(newestFirst, e)
			if n := len(newestFirst); n > Patience && n >= x.next {
				x.next = n + n/8
				if x.decide(newestFirst, false) {
					return nil
				}
			}
		}
		x.decide(newestFirst, true)
		return nil
	})
	return x.found, err
}

// An instant is a time for which the version in production is searched.
type instant struct {
	at, now time.Time
	next    int       // how many events are needed for the next attempt
	isHeld  bool      // a version is in production at present
	found   []*Period // at most one
}

// decide finds the period in production that holds at the instant, from the
// newest events. It returns false if earlier events are needed to be sure.
//
// When the events happened is decided as for all events, by the longest
// sequence of times that do not decrease. An earlier event could change that
// sequence. But if the longest sequences of all events and of these have an
// event in common, they are equally good from there on. So decide wants
// Patience events of the sequence before the last change of production. Then
// they have one in common, unless as many events of the history have wrong
// times.
func (x *instant) decide(newestFirst []Event, all bool) bool {
	events := slices.Clone(newestFirst)
	slices.Reverse(events)
	times, fits := index.Believed(writtenTimes(events), x.now)
	until := len(events) // the first event after the instant
	if !x.at.IsZero() {
		until = sort.Search(len(events), func(i int) bool { return times[i].After(x.at) })
	}
	last := until - 1 // the last change of production until then, or -1
	for last >= 0 && !changesProduction(&events[last]) {
		last--
	}
	if !all {
		before := until
		if last >= 0 {
			before = last
		}
		if fitting(fits[:before]) < Patience || last < 0 && x.wasHeld(events[until:]) {
			return false
		}
	}
	if last < 0 {
		return true
	}
	version, _ := production(&events[last])
	if version == "" {
		return true
	}
	p := &Period{Version: version, Stage: index.Production, Since: times[last], From: times[last], By: events[last].Actor, Event: events[last]}
	for i := last + 1; i < len(events) && p.End == nil; i++ { // the next change of production
		if changesProduction(&events[i]) {
			p.End, p.Until = &events[i], times[i]
		}
	}
	x.found = []*Period{p}
	return true
}

// wasHeld reports whether a version was in production before the events, which
// are the newest.
func (x *instant) wasHeld(events []Event) bool {
	for i := range events {
		if enters, leaves := production(&events[i]); enters != "" || leaves {
			return leaves
		}
	}
	return x.isHeld
}

func fitting(fits []bool) (n int) {
	for _, fit := range fits {
		if fit {
			n++
		}
	}
	return n
}

func changesProduction(e *Event) bool {
	enters, leaves := production(e)
	return enters != "" || leaves
}

// production returns the version that an event puts into production, or "". It
// reports whether a version leaves production.
func production(e *Event) (enters string, leaves bool) {
	for _, c := range e.Changes {
		switch {
		case c.From == c.To:
		case c.To == index.Production:
			enters = c.Version
		case c.From == index.Production:
			leaves = true
		}
	}
	return enters, leaves
}

// LastInProduction returns the raw entry of a version that was in production
// and was deleted, as the entry was last. It returns nil if the history has
// none. If several versions had the number, it is that of the last one that was
// in production.
func LastInProduction(ctx context.Context, m *engine.Model, version string) ([]byte, error) {
	var entry []byte // the newest of the version with the number that is being read
	for e, err := range Events(ctx, m, Query{Newest: true}) {
		if err != nil {
			return nil, err
		}
		for _, c := range slices.Backward(e.Changes) {
			if c.Version != version {
				continue
			}
			if c.To == "" {
				entry = c.Before
			} else if entry == nil {
				entry = c.After
			}
			if c.From == index.Production || c.To == index.Production {
				return entry, nil
			}
			if c.From == "" { // earlier changes are of another version
				entry = nil
			}
		}
	}
	return nil, nil
}
