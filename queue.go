package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/ubunye-go/modelregistry/driver"
)

// A queue holds the changes of one model that wait for their turn. Those that
// gather while one append is under way share the next. Whoever finds nobody at it makes the
// append himself, for to wake another goroutine can take as long as the append.
type queue struct {
	mu      sync.Mutex
	waiting []*change
	running bool
	cancel  context.CancelFunc // ends the wait for the store
	wanted  int                // changes of the append under way whose callers wait
	closed  bool
}

// A change is one caller's, until it is decided with what it shares an append
// with.
type change struct {
	decide func(*txn) (version string, err error) // pure and quick; may be called several times
	staged driver.Staged
	left   bool // its caller gave up,
	gone   bool // before its turn

	version string
	result  ModelVersion
	wrote   bool
	leaned  bool // it was decided on what others of the same append do
	err     error
	done    chan struct{}
}

// change has decide called in its turn and what it emits appended. decide
// returns the version that it is about.
func (m *model) change(ctx context.Context, decide func(*txn) (string, error), staged driver.Staged) (ModelVersion, error) {
	if err := ctx.Err(); err != nil {
		return ModelVersion{}, err
	}
	c := &change{decide: decide, staged: staged, done: make(chan struct{})}
	q := &m.queue
	q.mu.Lock()
	lead := !q.running
	if q.closed || lead && !m.r.start() {
		q.mu.Unlock()
		return ModelVersion{}, ErrClosed
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
			return ModelVersion{}, ctx.Err()
		}
		<-c.done // its append is under way, and soon known
	}
	return c.result, q.told(ctx, c.err)
}

// told returns what an append's error is to a caller: if the append was ended, for the caller's
// context or for Close.
func (q *queue) told(ctx context.Context, err error) error {
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
	case errors.Is(err, ErrUncertain):
		return fmt.Errorf("%w: %w", err, why)
	}
	return why
}

// lead makes the append that has the caller's own change in it, and leaves what came
// meanwhile to a goroutine.
func (m *model) lead(ctx context.Context, c *change) {
	stop := context.AfterFunc(ctx, func() { m.queue.leave(c, true) })
	defer stop()
	defer func() {
		if m.queue.more() {
			go m.run()
		} else {
			m.r.stop()
		}
	}()
	m.round(c)
}

// leave takes a change out of the queue. It reports false if it is too late. When nobody waits
// any more, what goes on is ended, as far as the store can: it may lose one race after the
// other. When the leader leaves before its turn, another goes on for those who wait.
func (q *queue) leave(c *change, leader bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := !c.left
	c.left = true
	if i := slices.Index(q.waiting, c); i >= 0 {
		c.gone = true
		q.waiting = slices.Delete(slices.Clone(q.waiting), i, i+1)
	} else if first && !c.gone {
		select {
		case <-c.done:
		default:
			q.wanted--
		}
	}
	if q.cancel != nil && q.wanted == 0 && (len(q.waiting) == 0 || leader && c.gone) {
		q.cancel()
	}
	return c.gone
}

// more reports whether somebody waits; if not, nobody is at it any more.
func (q *queue) more() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = len(q.waiting) > 0
	return q.running
}

// close has what waits fail, and what comes. It takes what waits and ends what goes on in one step: else
// another append could begin in between, that nothing ends.
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

// take returns what waits, to share an append; nothing if that is being ended.
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

// run appends what waits until nothing does.
func (m *model) run() {
	defer m.r.stop()
	for m.queue.more() {
		m.round(nil)
	}
}

// errPanicked is for those that shared an append with a panic of the program's clock or store.
var errPanicked = fmt.Errorf("%w: panic during the append", ErrUncertain)

// round makes one append of what waits, provided that own, if given, still does.
func (m *model) round(own *change) {
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
			m.mu.Lock()
			m.state = nil
			m.mu.Unlock()
		}
		finish(batch, err)
	}()
	took, failed := m.commit(ctx, nil, func() []*change {
		taken := q.take(ctx)
		batch = append(batch, taken...)
		return taken
	})
	batch, err = took, failed
	if err != nil && len(batch) == 0 && ctx.Err() == nil {
		batch = q.take(context.Background()) // the store could not even begin
	}
	if (errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)) && !errors.Is(err, ErrUncertain) && len(took) > 1 {
		// One of the trees is in the way of somebody's folder, or was taken away. The others
		// shall not suffer for it.
		for err = errPanicked; len(batch) > 0; batch = batch[1:] {
			_, failed := m.commit(context.Background(), batch[:1:1], func() []*change { return nil })
			finish(batch[:1], failed)
		}
		err = nil
	}
}

// finish settles changes and tells their callers.
func finish(batch []*change, err error) {
	settle(batch, err)
	for _, c := range batch {
		close(c.done)
	}
}

// settle gives an append's error to the changes that depended on it: all but
// those that were refused because of what was there before.
func settle(batch []*change, err error) {
	for _, c := range batch {
		if err != nil && (c.leaned || c.err == nil) {
			c.err, c.result = err, ModelVersion{}
		}
	}
}
