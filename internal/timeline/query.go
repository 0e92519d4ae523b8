package timeline

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Query says which events a caller needs. It may get others, too.
type Query struct {
	After  int64     // only events with a higher number; 0 for all
	Since  time.Time // only events that did not happen before; zero for all
	Newest bool      // the newest event first
}

// Patience is how many events in the expected order convince a reader that no
// earlier event matters, although a clock may have been wrong.
const Patience = 100

// An end finds where a history that is read from its end need not be read
// further.
type end struct {
	Query
	older int // how many events in a row are older than Since
}

// at reports whether neither the event nor an earlier one is needed. It is
// called for each event, the newest first.
func (s *end) at(e *index.Event) bool {
	s.older++
	if s.Since.IsZero() || !e.Time.Before(s.Since) {
		s.older = 0
	}
	return s.After > 0 && e.Number <= s.After || s.older == Patience
}

// Events yields the events of a model, the oldest first unless q.Newest is set.
// For a damaged line it yields a *driver.CorruptError and an event that has
// only the expected number, and goes on. After any other error it ends. A
// change by another program that is not recorded yet has no number.
//
// Events reads the history from its end if the query does not need all of it.
// It then does not notice damage in the part that it does not read.
func Events(ctx context.Context, m *engine.Model, q Query) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if q.Newest {
			newest(ctx, m, q, yield)
			return
		}
		err := errForward
		var list []Event
		if q.After > 0 || !q.Since.IsZero() {
			_, list, err = recent(ctx, m, q)
		}
		if errors.Is(err, errForward) {
			whole(ctx, m, q, 0, yield)
			return
		}
		if err != nil {
			yield(noEvent(0), err)
			return
		}
		withoutErrors(list)(yield)
	}
}

// recent returns the events of a query, the oldest first, and the tail that it
// read them from.
func recent(ctx context.Context, m *engine.Model, q Query) (t *tail, list []Event, err error) {
	if t, err = openTail(ctx, m, q.After == 0); err != nil {
		return nil, nil, err
	}
	if q.After > 0 && t.lines.Last <= q.After {
		return t, nil, nil
	}
	err = t.inOneView(ctx, &end{Query: q}, func(events iter.Seq2[Event, error]) error {
		for e, err := range events {
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		return nil
	})
	slices.Reverse(list)
	return t, list, err
}

// newest yields events from the end as long as that is possible, and then those
// of the whole history that are left.
func newest(ctx context.Context, m *engine.Model, q Query, yield func(Event, error) bool) {
	var last int64 // the last event that was yielded
	t, err := openTail(ctx, m, q.After == 0)
	if err == nil {
		for e, failed := range t.inManyViews(ctx, &end{Query: q}) {
			if err = failed; err != nil {
				break
			}
			if !yield(e, nil) {
				return
			}
			last = e.Number
		}
	}
	switch {
	case errors.Is(err, errForward):
		whole(ctx, m, q, last, yield)
	case err != nil:
		yield(noEvent(0), err)
	}
}

// whole yields the events of a query from the whole history. If before is not
// 0, it yields only events with a lower number, and the damage between them.
func whole(ctx context.Context, m *engine.Model, q Query, before int64, yield func(Event, error) bool) {
	h, err := readHistory(ctx, m)
	if err != nil {
		yield(noEvent(0), err)
		return
	}
	first, end := int64(0), end{Query: q}
	for _, line := range slices.Backward(h.lines.Lines) {
		if end.at(line.Event) {
			first = line.Number
			break
		}
	}
	events := h.events(ctx)
	if q.Newest {
		events = backward(events)
	}
	reached := before == 0
	for e, err := range events {
		recorded := err == nil && e.Number > 0
		if !reached {
			if reached = recorded && e.Number <= before; !reached || e.Number == before {
				continue
			}
		}
		if recorded && e.Number <= first {
			continue
		}
		if !yield(e, err) {
			return
		}
	}
}
