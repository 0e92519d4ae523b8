package modelregistry

import (
	"context"
	"errors"
	"io/fs"
	"sync"
)

// A queue holds the changes of one model that wait for their turn. Those that
// gather while one append is under way share the next.
type queue struct {
	mu      sync.Mutex
	waiting []*change
	running bool
	cancel  context.CancelFunc // ends the wait for the store when nobody waits any more
}

// A change is one caller's, until it is decided with what it shares an append
// with.
type change struct {
	decide func(*txn) (version string, err error) // pure and quick; may be called several times
	staged Staged

	version string
	result  ModelVersion
	wrote   bool
	leaned  bool // it was decided on what others of the same append do
	err     error
	done    chan struct{}
}

// change has decide called in its turn and what it emits appended. decide
// returns the version that it is about.
func (m *model) change(ctx context.Context, decide func(*txn) (string, error), staged Staged) (ModelVersion, error) {
	if err := ctx.Err(); err != nil {
		return ModelVersion{}, err
	}
	c := &change{decide: decide, staged: staged, done: make(chan struct{})}
	q := &m.queue
	q.mu.Lock()
	if !q.running {
		if !m.r.start() {
			q.mu.Unlock()
			return ModelVersion{}, ErrClosed
		}
		q.running = true
		go m.run()
	}
	q.waiting = append(q.waiting, c)
	q.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		if q.leave(c) {
			return ModelVersion{}, ctx.Err()
		}
		<-c.done // its append is under way, and soon known
	}
	return c.result, c.err
}

// leave takes a change out of the queue. It reports false if it is too late.
func (q *queue) leave(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w == c {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			if len(q.waiting) == 0 && q.cancel != nil {
				q.cancel()
			}
			return true
		}
	}
	return false
}

// close has what waits fail.
func (q *queue) close() {
	q.mu.Lock()
	if q.cancel != nil {
		q.cancel()
	}
	q.mu.Unlock()
	left := q.take()
	settle(left, ErrClosed)
	for _, c := range left {
		close(c.done)
	}
}

func (q *queue) take() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting = nil
	return taken
}

// run appends what waits until nothing does.
func (m *model) run() {
	q := &m.queue
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running, q.cancel = false, nil
			q.mu.Unlock()
			m.r.stop()
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		q.cancel = cancel
		q.mu.Unlock()
		batch, err := m.commit(ctx, nil, q.take)
		left := ctx.Err() != nil
		cancel()
		if err != nil && len(batch) == 0 && !left {
			batch = q.take() // the store could not even begin
			settle(batch, err)
		}
		if errors.Is(err, fs.ErrExist) && len(batch) > 1 {
			// One of the trees is in the way of somebody's folder. The others
			// shall not suffer for it.
			for _, c := range batch {
				if c.wrote || c.leaned {
					_, err := m.commit(context.Background(), []*change{c}, func() []*change { return nil })
					settle([]*change{c}, err)
				}
			}
		} else {
			settle(batch, err)
		}
		for _, c := range batch {
			close(c.done)
		}
	}
}

// settle gives an append's error to the changes that depended on it: those that
// were in it, and those that found themselves done or refused because of them.
func settle(batch []*change, err error) {
	for _, c := range batch {
		if err != nil && (c.wrote || c.leaned || c.err == nil && c.version == "") {
			c.err, c.result = err, ModelVersion{}
		}
	}
}

// commit appends the batch, and what take adds to it when its turn has come.
func (m *model) commit(ctx context.Context, batch []*change, take func() []*change) ([]*change, error) {
	var t *txn
	var c *Commit
	done, err := m.r.store.Append(ctx, m.name, func(v View) (*Commit, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.load(ctx, v); err != nil {
			return nil, err
		}
		batch = append(batch, take()...)
		if t, c = m.decide(batch); c == nil {
			m.state.rev = v.Revision()
		}
		return c, nil
	})
	if c == nil {
		return batch, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.state = nil // what is there must be read again
		return batch, err
	}
	s := m.applied(t, done.End)
	s.rev = done.Revision
	if done.DocumentErr != nil {
		s.rev = nil // where the document stands now must be read
		m.warnCheckpoint(done.DocumentErr)
	}
	m.lagged((c.Document == nil || done.DocumentErr != nil) && s.docErr == nil)
	return batch, nil
}

// decide lets each change of the batch decide, one after the other, each seeing
// what those before it did. It returns no commit if there is nothing to append.
func (m *model) decide(batch []*change) (*txn, *Commit) {
	s := m.state
	t := newTxn(s, m.r.now())
	if p := s.pending; p != nil {
		foreign := *p
		if err := t.emit(&foreign); err != nil {
			for _, c := range batch {
				c.err = err
			}
			return t, nil
		}
	}
	commit := &Commit{}
	wrote := false
	for _, c := range batch {
		before := len(t.events)
		c.version, c.err = c.decide(t)
		c.wrote, c.leaned = len(t.events) > before, before > 0
		if c.err != nil {
			continue
		}
		if e := t.get(c.version); e != nil {
			c.result = *e.decode()
			c.result.Stage = t.stage(e)
		}
		wrote = wrote || c.wrote
		if c.wrote && c.staged != nil {
			commit.Trees = append(commit.Trees, StagedTree{Staged: c.staged, Version: c.version})
		}
	}
	if !wrote {
		t.events = nil
		return t, nil
	}
	commit.Lines = t.lines
	switch {
	case s.docErr != nil:
		m.warnCheckpoint(s.docErr)
	case s.pending != nil || m.r.lag.due(s, t.bytes()):
		commit.Document = func(end int64) []byte {
			m.mu.Lock()
			defer m.mu.Unlock()
			s := m.applied(t, end)
			return s.format(s.offset) // somebody's next change may have been read meanwhile
		}
	}
	return t, commit
}

// applied returns the state with an append that happened.
func (m *model) applied(t *txn, end int64) *state {
	if m.state == nil {
		m.state = t.base
	}
	hash := ""
	for i, e := range t.events {
		if i+1 < len(t.events) {
			hash = t.events[i+1].prev
		} else {
			hash = t.hash
		}
		m.state.apply(e, hash, end)
	}
	m.state.lookUp()
	return m.state
}
