package modelregistry

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/timeline"
)

// HistoryOptions selects the events that History yields. The zero value and nil
// select all events, the oldest first.
type HistoryOptions struct {
	Versions []string    // only events that touch one of these versions; empty for all
	Ops      []Operation // only events of these operations; empty for all

	// Since and Until select events with Since <= Time < Until. A zero time is
	// no bound. A hundred events in a row before Since end the search: History
	// leaves out an earlier event even if a wrong clock gave it a later time.
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
// history again. With Newest, After or Since it reads the history from its end,
// as far as it needs to, unless the store can't do that or the events to yield
// include a change by another program, an import or a repair. It does not
// notice damage in the part that it does not read.
func (r *ModelRegistry) History(ctx context.Context, name ModelName, opts *HistoryOptions) iter.Seq2[Event, error] {
	var o HistoryOptions
	if opts != nil {
		o = *opts
	}
	return func(yield func(Event, error) bool) {
		// show yields events, and returns false if the caller ends the
		// iteration.
		show := func(events iter.Seq2[timeline.Event, error]) bool {
			for line, err := range events {
				e := publicEvent(name, &line)
				if err == nil && !o.take(&e) {
					continue
				}
				if !yield(e, opError("history", name.all(), timelineError(name, err))) {
					return false
				}
			}
			return true
		}
		m, err := r.model(name)
		if o.Newest && o.Follow {
			err = invalid("options: Newest and Follow exclude each other")
		}
		switch {
		case err != nil:
			yield(Event{Name: name}, opError("history", name.all(), err))
		case o.Follow:
			r.follow(ctx, &timeline.Follower{Model: m.Model}, show)
		default:
			show(timeline.Events(ctx, m.Model, timeline.Query{After: max(0, o.After), Since: o.Since, Newest: o.Newest}))
		}
	}
}

// follow shows the events of a history as they come, until the context ends or
// show returns false.
func (r *ModelRegistry) follow(ctx context.Context, f *timeline.Follower, show func(iter.Seq2[timeline.Event, error]) bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for show(f.Next(ctx)) && !f.Ended {
		for changed := false; !changed; {
			timer.Reset(r.untilPoll(DefaultInterval))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			var err error
			changed, err = f.Changed(ctx)
			changed = changed || err != nil
		}
	}
}

// timelineError converts an error of the package timeline to the public one.
func timelineError(name ModelName, err error) error {
	var replaced *timeline.ReplacedError
	switch {
	case errors.Is(err, timeline.ErrNoModel):
		return notFound("model %s", name)
	case errors.As(err, &replaced):
		return notFound("%v", replaced)
	}
	return err
}
