// Package timeline reads what happened to a model: its events with what each
// changed, and the periods in which versions held a stage. It must not know
// gates, versions as callers see them, or a concrete store.
package timeline

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// ErrNoModel says that the model does not exist.
var ErrNoModel = errors.New("the model does not exist")

// allEvents reads a model's whole history, with all its events. The error is
// that of the first damage.
func allEvents(ctx context.Context, m *engine.Model) (h *history, events []Event, err error) {
	if h, err = readHistory(ctx, m); err != nil {
		return nil, nil, err
	}
	for e, err := range h.events(ctx) {
		if err != nil {
			return nil, nil, err
		}
		events = append(events, e)
	}
	return h, events, nil
}

// LastImage returns the last entry that a version had in the history, with what
// the registry keeps about it. It reads the whole history.
func LastImage(ctx context.Context, m *engine.Model, version string) (im index.Image, ok bool, err error) {
	h, err := readHistory(ctx, m)
	if err != nil {
		return im, false, err
	}
	for _, line := range slices.Backward(h.lines.Lines) {
		for _, after := range line.After {
			if after.Version == version {
				return after, true, nil
			}
		}
	}
	return im, false, nil
}

// A history is a model's whole history, read at one instant.
type history struct {
	m       *engine.Model
	lines   *index.Log
	pending *index.Event // an external change that the lines do not have
	seen    driver.Revision
	shared  bool // another program is known to change the model
	now     time.Time
}

func readHistory(ctx context.Context, m *engine.Model) (*history, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.Closed() {
		return nil, engine.ErrClosed
	}
	h := &history{m: m, now: m.Now()}
	err := m.Store().Read(ctx, m.Name.UseCase, m.Name.Model, func(v driver.View) error {
		lines, _, err := engine.Reader{View: v, Name: m.Name}.ReadLog(0)
		if err != nil {
			return err
		}
		h.lines = index.ReadLog(lines)
		s, err := m.Load(ctx, v)
		h.seen = v.Revision()
		h.shared = err == nil && s.Shared()
		switch {
		case err == nil && s.Empty() && s.Pending == nil:
			return ErrNoModel
		case err == nil && s.Pending != nil:
			p := *s.Pending
			p.Time = h.now
			h.pending = &p
		case err != nil && len(lines) == 0:
			return err
		}
		return nil // events yields the damage in its place
	})
	return h, err
}

// events yields the events in order, and an error for each damaged line.
func (h *history) events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		damage, before := h.lines.Damage, newReplay()
		for _, line := range h.lines.Lines {
			for len(damage) > 0 && damage[0].At <= line.At {
				if !yield(h.damaged(damage[0])) {
					return
				}
				damage = damage[1:]
			}
			if err := ctx.Err(); err != nil {
				yield(noEvent(0), err)
				return
			}
			if !yield(before.apply(line.Event), nil) {
				return
			}
		}
		for _, d := range damage {
			if !yield(h.damaged(d)) {
				return
			}
		}
		if h.pending != nil {
			yield(before.apply(h.pending), nil)
		}
	}
}

func (h *history) damaged(d index.LogDamage) (Event, error) {
	return noEvent(d.Event), engine.Reader{Name: h.m.Name}.Corrupt(engine.LogFile, d.At, d.Err)
}

// noEvent goes with an error. It has only the number of the event that could
// not be read.
func noEvent(number int64) Event { return Event{Event: &index.Event{Number: number}} }

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
