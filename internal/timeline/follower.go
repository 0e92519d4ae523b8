package timeline

import (
	"context"
	"fmt"
	"iter"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Follower yields the events of a model as they come, the oldest first.
type Follower struct {
	Model *engine.Model
	Ended bool // the last sequence ended with an error, or with the context

	seen   driver.Revision // of the model when it was read last
	shared bool            // another program is known to change the model
	shown  int64           // the number of the last event that was yielded
	id     string          // its id
	hash   string          // the digest of its line
	broken int64           // the number of the last damaged event that was yielded
}

// A ReplacedError says that another history replaced the one that was followed.
type ReplacedError struct{ Last int64 } // the last event yielded

func (e *ReplacedError) Error() string { return fmt.Sprintf("event %d, the last one yielded", e.Last) }

// Next reads the history, and yields the events that were not yielded before.
// It leaves out an external change that is not recorded yet. The end of the
// context is not an error.
func (f *Follower) Next(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		events, err := f.read(ctx)
		if f.Ended = err != nil || ctx.Err() != nil; f.Ended {
			if ctx.Err() == nil {
				yield(noEvent(0), err)
			}
			return
		}
		for e, err := range events {
			switch {
			case err != nil && e.Number > f.broken:
				f.broken = e.Number
			case err == nil && e.Number > f.shown:
				f.shown, f.id, f.hash = e.Number, e.ID, e.Hash
			default:
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// read returns the events after the last one that was yielded. It may return
// earlier events, too.
func (f *Follower) read(ctx context.Context) (iter.Seq2[Event, error], error) {
	if f.shown > 0 {
		t, list, err := recent(ctx, f.Model, Query{After: f.shown})
		if err == nil && f.follows(t, list) {
			f.seen, f.shared = t.seen, t.shared
			return withoutErrors(list), nil
		}
	}
	h, err := readHistory(ctx, f.Model)
	if err == nil {
		err = f.continues(h)
	}
	if err != nil {
		return nil, err
	}
	f.seen, f.shared = h.seen, h.shared
	return h.events(ctx), nil
}

// follows reports whether events of a tail follow the last event that was
// yielded.
func (f *Follower) follows(t *tail, list []Event) bool {
	if len(list) == 0 {
		return t.lines.Last == f.shown && t.lines.Hash == f.hash
	}
	return list[0].Prev == f.hash
}

func withoutErrors(list []Event) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Changed reports whether the model may have changed since Next was called.
func (f *Follower) Changed(ctx context.Context) (bool, error) {
	return f.Model.Changed(ctx, f.seen, f.shared)
}

// continues returns an error if the log is not the one whose events were
// yielded. Only a repair may remove an event that was yielded. A damaged log is
// not an error here, because the events yield the damage in its place.
func (f *Follower) continues(h *history) error {
	lines := h.lines.Lines
	at := len(lines) // the first line that was not yielded
	for at > 0 && lines[at-1].Number > f.shown {
		at--
	}
	continued := f.shown == 0 || at < len(lines)
	if at > 0 && lines[at-1].Number == f.shown {
		same, repair := lines[at-1].ID == f.id, lines[at-1].Op == index.OpRepair
		if continued = same || repair; !same {
			f.shown-- // a repair event may reuse the number of a lost event
		}
	}
	if continued || len(h.lines.Damage) > 0 {
		return nil
	}
	return &ReplacedError{f.shown}
}
