package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Model is one model in an engine: its state as last read, and the changes
// that wait for their turn.
type Model struct {
	Name driver.Name
	e    *Engine

	dropped func()       // is called, under mu, when the state was dropped to save memory
	lastUse atomic.Int64 // when the state was used, by kept.clock
	commits atomic.Int64 // commits under way

	mu      sync.RWMutex // guards all below but the queue
	state   *State
	lagging bool          // this engine left the document lagging
	idle    *time.Timer   // brings it up to date
	wait    time.Duration // what idle was set to last

	queue queue
}

// A State is the state of one model and the revision at which it was read. The
// model's lock guards it.
type State struct {
	*index.State
	Revision    driver.Revision // nil if the next read must begin from the start
	DocumentErr error           // the document is damaged; the history is not
}

// Shared reports whether another program is known to change the model: the
// history has an import or an external change, or the document has one that is
// not recorded yet, or is damaged.
func (s *State) Shared() bool { return s.External > 0 || s.Pending != nil || s.DocumentErr != nil }

// Model returns a new Model of a name, or ErrClosed. A caller makes one for
// each name and keeps it. When the engine drops the model's state to save
// memory, it calls dropped, under the model's lock. dropped drops what the
// caller has derived from the state.
func (e *Engine) Model(name driver.Name, dropped func()) (*Model, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	m := &Model{Name: name, e: e, dropped: dropped}
	e.models = append(e.models, m)
	return m, nil
}

// Store returns the store that keeps the model.
func (m *Model) Store() driver.Store { return m.e.Store }

// Closed reports whether the model's engine was closed.
func (m *Model) Closed() bool { return m.e.Closed() }

// Now returns the time for a change.
func (m *Model) Now() time.Time { return m.e.Now() }

// Changed reports whether the model may have changed since a revision. It
// includes external changes if external or Config.ExternalChanges is true, and
// in stores that notice them at no cost.
func (m *Model) Changed(ctx context.Context, since driver.Revision, external bool) (bool, error) {
	if c, ok := m.e.Store.(driver.ExternalChecker); ok && (external || m.e.ExternalChanges) {
		return c.ChangedExternally(ctx, m.Name.UseCase, m.Name.Model, since)
	}
	return m.e.Store.Changed(ctx, m.Name.UseCase, m.Name.Model, since)
}

// Read calls fn with the model's present state, under the model's lock. fn must
// not keep the state. If external is true, Read checks for external changes as
// a commit does, even where that costs a request.
func (m *Model) Read(ctx context.Context, external bool, fn func(*State) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	var view driver.View
	var since driver.Revision
	if s := m.state; s != nil && s.Revision != nil {
		since = s.Revision
		v, changed, err := m.look(ctx, since, external || s.Shared())
		if err == nil && !changed {
			defer m.mu.RUnlock()
			m.e.kept.used(m)
			return fn(s)
		}
		view = v
	}
	m.mu.RUnlock()
	load := func() error {
		err := m.update(ctx, view, since)
		view = nil // a second read needs a newer view
		if err != nil && m.e.Closed() {
			return ErrClosed // the error of a closed store may be any
		}
		return err
	}
	return m.withState(ctx, load, func() error { return fn(m.state) })
}

// ReadView calls fn with the state that a view of the store shows, under the
// model's lock. The view is one that a method of the store passes to its
// caller. fn must not keep the state.
func (m *Model) ReadView(ctx context.Context, v driver.View, fn func(*State) error) error {
	return m.withState(ctx, func() error { return m.load(v) }, func() error { return fn(m.state) })
}

// look reports whether the model may have changed since a revision, also by an
// external change if external is true. It returns a view of the model if the
// store is a driver.Looker.
func (m *Model) look(ctx context.Context, since driver.Revision, external bool) (v driver.View, changed bool, err error) {
	if s, ok := m.e.Store.(driver.Looker); ok {
		v, err = s.Look(ctx, m.Name.UseCase, m.Name.Model, since)
		return v, v != nil, err
	}
	changed, err = m.Changed(ctx, since, external)
	return nil, changed, err
}

// update brings the state up to date, from the view v if it can be used. v
// shows the changes since a revision. If another goroutine has changed or
// dropped the state since, v may be older than the state that an append in
// progress started from. update then reads the store instead. The caller holds
// the lock.
func (m *Model) update(ctx context.Context, v driver.View, since driver.Revision) error {
	if v != nil && m.state != nil && m.state.Revision == since {
		if err := m.load(v); !errors.Is(err, driver.ErrStaleView) {
			return err
		}
	}
	return m.refresh(ctx)
}

// refresh brings the state up to date. The caller holds the lock.
func (m *Model) refresh(ctx context.Context) error {
	return m.e.Store.Read(ctx, m.Name.UseCase, m.Name.Model, m.load)
}

// Forget drops the state, so that the next use reads it from the start. It is
// for stores that hold other bytes than this engine wrote.
func (m *Model) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = nil
	m.e.kept.note(m)
}

// load brings m.state up to what the view shows. It applies the new events if
// it can, and otherwise reads everything. The caller holds the lock.
func (m *Model) load(v driver.View) (err error) {
	l := m.loader(v)
	if m.state != nil {
		ok, err := l.advance(m.state)
		if ok {
			m.e.kept.note(m)
		}
		if ok || err != nil {
			return err
		}
	}
	s, err := l.all()
	if err != nil {
		return err
	}
	m.state = s
	m.e.kept.note(m)
	return nil
}

func (m *Model) loader(v driver.View) loader {
	return loader{Reader{v, m.Name}, m.e.Lag.Small}
}

// withState calls load to bring the state up to date, and then fn, both under
// the model's lock. If load finds damage, it is called again for tornFor. The
// lock is free in between, so that other readers are not held up.
func (m *Model) withState(ctx context.Context, load, fn func() error) error {
	return untorn(ctx, func(last bool) (again bool, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err = load(); !last && torn(m.state, err) {
			return true, err
		}
		if err == nil {
			err = fn()
		}
		return false, err
	})
}

// Locks returns the locks of the model and its engine, so that a test can hold
// them all.
func (m *Model) Locks() []sync.Locker {
	return []sync.Locker{&m.mu, &m.queue.mu, &m.e.mu, &m.e.kept.mu}
}
