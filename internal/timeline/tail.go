package timeline

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// errForward says that a history has to be read from its start. The store can't
// read a log backwards, the part that was read is damaged, or the changes of an
// event depend on earlier events.
var errForward = errors.New("read the history from its start")

// The parts of a log that are read from its end grow, so that a long history
// takes few reads. A store may have to read all later lines again for the first
// part in another view. So parts in many views grow faster.
const (
	firstPart      = 16 << 10
	growthInView   = 1.5
	growthOverView = 4
)

// A tail is the end of a history. It is read from the last event back, so that
// the newest events of a long history cost no more than those of a short one.
// The plain implementation is readHistory, which reads the whole log.
type tail struct {
	m      *engine.Model
	seen   driver.Revision
	shared bool
	isHeld bool // a version is in production at present
	lines  index.BackwardReader
	size   int // of the next part, in bytes
}

// openTail returns the tail of the history that the model's present state has.
// An external change that is not recorded yet is an errForward, unless the
// caller does not need it.
func openTail(ctx context.Context, m *engine.Model, needsPending bool) (*tail, error) {
	t := &tail{m: m, size: firstPart}
	err := m.Read(ctx, true, func(s *engine.State) error {
		if s.Last == 0 || s.Revision == nil || needsPending && s.Pending != nil {
			return errForward
		}
		t.seen, t.shared, t.isHeld = s.Revision, s.Shared(), s.Holder(index.Production) != nil
		t.lines = index.BackwardReader{End: s.Offset, Last: s.Last, Hash: s.Hash}
		return nil
	})
	if err != nil {
		return nil, errForward // a read from the start says what is wrong
	}
	return t, nil
}

// read calls look with a view of the model.
func (t *tail) read(ctx context.Context, look func(driver.View) error) error {
	return t.m.Store().Read(ctx, t.m.Name.UseCase, t.m.Name.Model, look)
}

// part reads the lines before those that were read. The next part is growth
// times as large.
func (t *tail) part(v driver.View, growth float64) ([]byte, error) {
	b, ok := v.(driver.BackwardLog)
	if !ok {
		return nil, errForward
	}
	end := t.lines.End
	part, start, err := b.LogBefore(end, t.size)
	if err != nil || len(part) == 0 || part[len(part)-1] != '\n' || start != end-int64(len(part)) {
		return nil, errForward // the log may have been replaced
	}
	t.size = int(float64(t.size) * growth)
	return part, nil
}

// inOneView calls fn with the events back to an end, the newest first.
func (t *tail) inOneView(ctx context.Context, end *end, fn func(iter.Seq2[Event, error]) error) error {
	return t.read(ctx, func(v driver.View) error {
		return fn(t.events(ctx, end, func() ([]byte, error) { return t.part(v, growthInView) }))
	})
}

// inManyViews yields the events back to an end, the newest first. It asks the
// store for a view for each part, so that the caller's code does not run in a
// call of the store.
func (t *tail) inManyViews(ctx context.Context, end *end) iter.Seq2[Event, error] {
	return t.events(ctx, end, func() (part []byte, err error) {
		err = t.read(ctx, func(v driver.View) (err error) {
			part, err = t.part(v, growthOverView)
			return err
		})
		return part, err
	})
}

// events yields the events back to an end, the newest first. It yields an error
// if it can't go on.
//
// The changes of an event do not depend on earlier events if at most one version
// was in production before it. Only another program leaves several, and the next
// change archives all but one. So events holds each event back until it has
// read such a change, or the start of the log.
func (t *tail) events(ctx context.Context, end *end, next func() ([]byte, error)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var held []*index.Event
		show := func() bool {
			for _, e := range held {
				if !yield(Event{Event: e, Changes: ownChanges(e), ModelChanged: e.Model != nil}, nil) {
					return false
				}
			}
			held = held[:0]
			return true
		}
		ended := false
		for t.lines.End > 0 {
			part, err := next()
			if err != nil {
				yield(noEvent(0), err)
				return
			}
			for e, err := range t.lines.Lines(part) {
				if err == nil {
					err = ctx.Err()
				}
				if ended = ended || err == nil && end.at(e); ended && len(held) == 0 {
					return
				}
				switch {
				case err == nil && !isOwn(e), errors.Is(err, index.ErrUnsound):
					yield(noEvent(0), errForward)
					return
				case err != nil:
					yield(noEvent(0), err)
					return
				case !keepsStages(e) && (!show() || ended): // e archived all but one
					return
				case !ended:
					held = append(held, e)
				}
			}
		}
		if !t.lines.Started() {
			yield(noEvent(0), errForward)
			return
		}
		show()
	}
}

// keepsStages reports whether an event is of an operation that moves no
// version.
func keepsStages(e *index.Event) bool {
	switch e.Op {
	case index.OpGates, index.OpAlias, index.OpAnnotate, index.OpPurge, index.OpHold, index.OpUnhold:
		return true
	}
	return false
}

// isOwn reports whether an event is a registration, a move, or a change of
// gates, aliases or notes by this registry, of the form that ownChanges can
// read.
func isOwn(e *index.Event) bool {
	switch e.Op {
	case index.OpRegister, index.OpPromote, index.OpDemote, index.OpRollback, index.OpArchive, index.OpUndelete:
		if e.Version == "" || e.Model != nil {
			return false
		}
	case index.OpDelete:
		if len(e.Removed) != 1 || e.Removed[0] != e.Version || e.From == "" {
			return false
		}
		return !slices.ContainsFunc(e.After, func(im index.Image) bool { return stageOf(im) != index.Archived })
	default:
		if !keepsStages(e) {
			return false
		}
	}
	other := func(im index.Image) bool { return im.Version != e.Version && stageOf(im) != index.Archived }
	return !e.Reset && len(e.Removed) == 0 && !slices.ContainsFunc(e.After, other)
}

// ownChanges returns what an event changed for which isOwn is true, if at most
// one version was in production before it. It leaves out the entries before the
// event.
func ownChanges(e *index.Event) (changes []Change) {
	for _, im := range e.After {
		c := Change{Version: im.Version, To: stageOf(im), Reused: slices.Contains(e.Reused, im.Version), After: im.Raw}
		switch {
		case im.Version != e.Version:
			c.From = index.Production // it left because of this event
		case keepsStages(e):
			c.From = c.To
		case e.Op != index.OpRegister && e.Op != index.OpUndelete:
			c.From = cmp.Or(e.From, index.Development)
		}
		changes = append(changes, c)
	}
	if e.Op == index.OpDelete {
		changes = append(changes, Change{Version: e.Version, From: e.From})
	}
	return changes
}
