package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Model is what an engine holds of one model: its state as last read, and the
// changes that wait for their turn.
type Model struct {
	Name driver.Name
	e    *Engine

	mu     sync.RWMutex // guards all below but the queue
	state  *State
	behind bool        // this engine left the document behind
	idle   *time.Timer // brings it up to date

	queue queue
}

// A State is what is known of one model, and how it was read. The model's lock
// guards it.
type State struct {
	*index.State
	Revision    driver.Revision // nil if the next read must begin from the start
	DocumentErr error           // the document is damaged; the history is not
}

// Shared reports whether another program is known to change the model: the
// history has an import or an external change, or the document has one that is
// not recorded yet, or is damaged.
func (s *State) Shared() bool { return s.External > 0 || s.Pending != nil || s.DocumentErr != nil }

// Model returns a new Model of a name, or ErrClosed. A caller makes one for each
// name and keeps it.
func (e *Engine) Model(name driver.Name) (*Model, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	m := &Model{Name: name, e: e}
	e.models = append(e.models, m)
	return m, nil
}

// Store returns the store that keeps the model.
func (m *Model) Store() driver.Store { return m.e.Store }

// Now returns the time for a change.
func (m *Model) Now() time.Time { return m.e.Now() }

// Changed reports whether the model may have changed since a revision. It looks
// for external changes too if external is true, if the engine is configured so,
// and where that costs nothing.
func (m *Model) Changed(ctx context.Context, since driver.Revision, external bool) (bool, error) {
	if c, ok := m.e.Store.(driver.ExternalChecker); ok && (external || m.e.ExternalChanges) {
		return c.ChangedExternally(ctx, m.Name.UseCase, m.Name.Model, since)
	}
	return m.e.Store.Changed(ctx, m.Name.UseCase, m.Name.Model, since)
}

// Read calls fn with the model's present state, under the model's lock. The
// state is fn's for the call. If external is true, Read looks for external
// changes whatever that costs, as a commit does.
func (m *Model) Read(ctx context.Context, external bool, fn func(*State) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	var news driver.View
	var since driver.Revision
	if s := m.state; s != nil && s.Revision != nil {
		since = s.Revision
		v, changed, err := m.news(ctx, since, external || s.Shared())
		if err == nil && !changed {
			defer m.mu.RUnlock()
			return fn(s)
		}
		news = v
	}
	m.mu.RUnlock()
	load := func() error {
		err := m.takeIn(ctx, news, since)
		news = nil // a second read takes a view of its own
		if err != nil && m.e.Closed() {
			return ErrClosed // whatever a closed store's error is
		}
		return err
	}
	return m.withState(ctx, load, func() error { return fn(m.state) })
}

// news reports whether the model may have changed since a revision, if external
// is true by an external change too, and returns a view of it if the store
// gives that with the answer.
func (m *Model) news(ctx context.Context, since driver.Revision, external bool) (v driver.View, changed bool, err error) {
	if s, ok := m.e.Store.(driver.Looker); ok {
		v, err = s.Look(ctx, m.Name.UseCase, m.Name.Model, since)
		return v, v != nil, err
	}
	changed, err = m.Changed(ctx, since, external)
	return nil, changed, err
}

// takeIn brings the state up to date with a view of what is new since a
// revision, or without one. A view is as old as the look that made it: if other
// goroutines read a newer one meanwhile, or gave the state up, it could take the
// state back behind what an append under way goes on from. The caller holds the
// lock.
func (m *Model) takeIn(ctx context.Context, v driver.View, since driver.Revision) error {
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

// Forget drops the state, so that it is read again: the store has other bytes
// than this engine wrote.
func (m *Model) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = nil
}

// load brings m.state up to what the view shows, from where it stands or from
// the start.
func (m *Model) load(v driver.View) (err error) {
	l := m.loader(v)
	if m.state != nil {
		ok, err := l.advance(m.state)
		if ok || err != nil {
			return err
		}
	}
	s, err := l.all()
	if err != nil {
		return err
	}
	m.state = s
	return nil
}

func (m *Model) loader(v driver.View) loader {
	return loader{Reader{v, m.Name}, m.e.Lag.Small}
}

// withState brings the state up to date by load and calls fn, both under the
// model's lock. If load finds damage it is tried again for tornFor, without the
// lock in between, so that other readers go on.
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
func (m *Model) Locks() []sync.Locker { return []sync.Locker{&m.mu, &m.queue.mu, &m.e.mu} }
