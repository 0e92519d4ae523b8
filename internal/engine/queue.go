package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/ubunye-go/modelregistry/driver"
)

// A queue holds the changes of one model that wait for their turn. Changes that
// arrive while an append is under way share the next one: they are a batch. If
// no append is under way, the caller becomes the leader and makes the append in
// its own goroutine, because waking another one can take as long as the append.
type queue struct {
	mu      sync.Mutex
	waiting []*change
	running bool
	cancel  context.CancelFunc // ends the wait for the store
	wanted  int                // changes of the append under way whose callers wait
	closed  bool
}

// A change is one call that changes the model.
type change struct {
	decide    func(*Txn) (version string, err error) // pure and quick; may be called several times
	staged    driver.Staged
	abandoned bool // its caller does not wait any more
	dequeued  bool // it was taken out of the queue before its turn

	checkpoint bool // the change also brings the document up to date, and fails if that fails

	wrote     bool
	dependent bool // earlier changes of its batch had emitted events when it decided
	err       error
	done      chan struct{}
}

// Change waits for its turn, calls decide, and appends the events that decide
// emits. decide returns the version that the change is about. It may be called
// several times, so it must be pure and quick. It is called under the model's
// lock and must not keep an entry, because a later change may lay it out. If
// staged is not nil, the commit makes its tree the tree of that version.
func (m *Model) Change(ctx context.Context, decide func(*Txn) (string, error), staged driver.Staged) error {
	return m.turn(ctx, newChange(decide, staged))
}

func newChange(decide func(*Txn) (string, error), staged driver.Staged) *change {
	return &change{decide: decide, staged: staged, done: make(chan struct{})}
}

// turn is Change for a change that is made already.
func (m *Model) turn(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := &m.queue
	q.mu.Lock()
	lead := !q.running
	if q.closed || lead && !m.e.Start() {
		q.mu.Unlock()
		return ErrClosed
	}
	q.running = true
	q.waiting = append(q.waiting, c)
	q.mu.Unlock()
	if lead {
		m.lead(ctx, c)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if q.leave(c, false) {
			return fmt.Errorf("the change waited for the model's lock and changed nothing: %w", ctx.Err())
		}
		<-c.done // its append is under way, and soon known
	}
	return q.callerError(ctx, c.err)
}

// callerError maps the error of a shared append to the error that one caller
// gets. If the append was cancelled, that is the error of the caller's context,
// or ErrClosed.
func (q *queue) callerError(ctx context.Context, err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	why := ctx.Err()
	if why == nil {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.closed {
			why = ErrClosed
		}
	}
	switch {
	case why == nil || errors.Is(err, why):
		return err
	case errors.Is(err, driver.ErrUncertain):
		return fmt.Errorf("%w: %w", err, why)
	}
	return why
}

// lead makes the append that contains the caller's own change. A new goroutine
// handles the changes that arrived meanwhile.
func (m *Model) lead(ctx context.Context, c *change) {
	stop := context.AfterFunc(ctx, func() { m.queue.leave(c, true) })
	defer stop()
	defer func() {
		if m.queue.more() {
			go m.run()
		} else {
			m.e.Stop()
		}
	}()
	m.round(c)
}

// leave takes a change out of the queue. It returns false if the append of the
// change is in progress. If no caller waits for that append any more, leave
// cancels its context, because a bucket store may be losing one race after
// another. If the leader leaves before its turn, a goroutine continues for the
// others.
func (q *queue) leave(c *change, leader bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := !c.abandoned
	c.abandoned = true
	if i := slices.Index(q.waiting, c); i >= 0 {
		c.dequeued = true
		q.waiting = slices.Delete(slices.Clone(q.waiting), i, i+1)
	} else if first && !c.dequeued {
		select {
		case <-c.done:
		default:
			q.wanted--
		}
	}
	if q.cancel != nil && q.wanted == 0 && (len(q.waiting) == 0 || leader && c.dequeued) {
		q.cancel()
	}
	return c.dequeued
}

// more reports whether changes wait. If not, the queue has no leader from then
// on.
func (q *queue) more() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = len(q.waiting) > 0
	return q.running
}

// close makes waiting and later changes fail, and cancels the append in
// progress. It does so in one step. Otherwise an append could start in between
// that nothing cancels.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	waiting := q.waiting
	q.waiting = nil
	if q.cancel != nil {
		q.cancel()
	}
	q.mu.Unlock()
	finish(waiting, ErrClosed)
}

// take returns the changes that wait, for one append. It returns none if that
// append is cancelled.
func (q *queue) take(ctx context.Context) []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	taken := q.waiting
	q.waiting = nil
	q.wanted += len(taken)
	return taken
}

// run makes appends until no change waits.
func (m *Model) run() {
	defer m.e.Stop()
	for m.queue.more() {
		m.round(nil)
	}
}

// errPanicked is the error of changes whose append panicked, in the program's
// clock or store.
var errPanicked = fmt.Errorf("%w: panic during the append", driver.ErrUncertain)

// round makes one append of the changes that wait. With own, it does so only if
// own is still among them.
func (m *Model) round(own *change) {
	q := &m.queue
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q.mu.Lock()
	if len(q.waiting) == 0 || own != nil && !slices.Contains(q.waiting, own) {
		q.mu.Unlock()
		return
	}
	q.cancel, q.wanted = cancel, 0
	q.mu.Unlock()
	var batch []*change
	err := errPanicked
	defer func() {
		q.mu.Lock()
		q.cancel = nil
		q.mu.Unlock()
		if err == errPanicked {
			m.Forget()
		}
		finish(batch, err)
	}()
	documentErr, err := m.commit(ctx, func() (plan, error) {
		batch = append(batch, q.take(ctx)...)
		return m.planBatch(batch), nil
	})
	m.reportDocument(batch, documentErr)
	took := len(batch)
	if err != nil && len(batch) == 0 && ctx.Err() == nil {
		batch = q.take(context.Background()) // the store failed before it called decide
	}
	if (errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)) && !errors.Is(err, driver.ErrUncertain) && took > 1 {
		// A folder of another program is in the place of one of the trees, or a
		// staged tree was removed. Each change is appended by itself, so that
		// only the affected one fails.
		for err = errPanicked; len(batch) > 0; batch = batch[1:] {
			documentErr, failed := m.commit(context.Background(), func() (plan, error) { return m.planBatch(batch[:1]), nil })
			m.reportDocument(batch[:1], documentErr)
			finish(batch[:1], failed)
		}
		err = nil
	}
}

// reportDocument logs the error of a document that could not be written, and
// gives it to the changes that asked for the document.
func (m *Model) reportDocument(batch []*change, err error) {
	for _, c := range batch {
		if c.checkpoint && c.err == nil {
			c.err = err
		}
	}
	m.warnDocument(err)
}

// finish gives an append's error to all changes of a batch, except those that
// had failed on the state before the batch, and wakes their callers.
func finish(batch []*change, err error) {
	for _, c := range batch {
		if err != nil && (c.dependent || c.err == nil) {
			c.err = err
		}
		close(c.done)
	}
}
