package modelregistry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A lag bounds how far a model's document may fall behind its history.
type lag struct {
	small int64         // a document of at most this many bytes is rewritten after every change
	share int64         // a larger one is due when the events after it take 1/share of its bytes
	idle  time.Duration // or when the model was not changed for this long
}

// defaultLag has the bounds that docs/performance.md measures.
var defaultLag = lag{small: 1 << 20, share: 8, idle: time.Second}

// closeWait bounds how long Close waits for its turn to bring a document up to
// date. A document that still lags then is due at the next change.
const closeWait = time.Second

// due reports whether the document is rewritten with the next append, which
// takes a number of bytes.
func (l lag) due(s *state, bytes int64) bool {
	return s.Checkpoint == 0 || s.Older || s.Size <= l.small || s.Offset+bytes-s.CheckpointEnd >= s.Size/l.share
}

// lagged notes whether the document lags because of this registry. If so, the
// document is brought up to date when the model was not changed for a while.
// The caller holds the lock.
func (m *model) lagged(behind bool) {
	m.behind = behind
	switch {
	case !behind:
		if m.idle != nil {
			m.idle.Stop()
		}
	case m.idle == nil:
		m.idle = time.AfterFunc(m.r.lag.idle, m.whenIdle)
	default:
		m.idle.Reset(m.r.lag.idle)
	}
}

func (m *model) whenIdle() {
	if m.r.start() {
		defer m.r.stop()
		m.catchUp(context.Background())
	}
}

// catchUp brings the document up to date if it lags because of this registry,
// and records an external change that was made to it since. A failure is
// logged; the document is then due at the next change.
func (m *model) catchUp(ctx context.Context) {
	m.mu.Lock()
	behind := m.behind
	m.lagged(false)
	m.mu.Unlock()
	if !behind || !m.stillBehind(ctx) {
		return
	}
	var c *driver.Commit
	done, err := m.r.store.Append(ctx, m.name.UseCase, m.name.Model, func(v driver.View) (*driver.Commit, error) {
		err := m.withState(ctx, func() error { return m.load(v) }, func() (err error) {
			c, err = m.checkpoint()
			return err
		})
		return c, err
	})
	if err == nil {
		err = done.DocumentErr
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c != nil && m.state != nil {
		m.state.rev = done.Revision
	}
	if err != nil {
		m.state = nil // the document may be of another event, so it is read again
		m.warnCheckpoint(err)
		m.lagged(errors.Is(err, ErrOvertaken))
	}
}

// checkpoint returns the commit that brings the document up to date, with an
// event for an external change if there was one. It returns nil if the document
// is up to date. The caller holds the lock.
func (m *model) checkpoint() (*driver.Commit, error) {
	s := m.state
	if !s.behind() {
		return nil, nil // another process did it
	}
	if err := writable(s.Facts); err != nil {
		return nil, err
	}
	t := newTxn(s, m.r.now())
	if err := t.Record(s.Pending); err != nil {
		return nil, indexError(err)
	}
	return &driver.Commit{Lines: t.Lines, Note: t.noteOf, Document: m.document(t), Replaces: t.replaces()}, nil
}

// behind reports whether the document lacks events of the history: it lags, or
// another program wrote it, perhaps from one that lagged.
func (s *state) behind() bool {
	switch {
	case s.docErr != nil:
		return false
	case s.Pending != nil:
		return s.Pending.Op == index.OpForeign // to go on from a lost history takes a change
	}
	return s.Checkpoint != s.Last
}

// stillBehind reads, without the store's lock, whether the document is behind.
// An append would make the store's folder again if it was removed.
func (m *model) stillBehind(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.refresh(ctx)
	return err != nil || m.state.behind() // the append reports the error
}

func (m *model) warnCheckpoint(err error) {
	if errors.Is(err, ErrOvertaken) {
		return // no failure: the document is read again
	}
	m.r.log.LogAttrs(context.Background(), slog.LevelWarn, "registry.json not brought up to date",
		slog.String("model", m.name.String()), slog.Any("error", err))
}
