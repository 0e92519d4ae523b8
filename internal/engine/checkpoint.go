package engine

import (
	"context"
	"errors"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Lag bounds how far a model's document may fall behind its history.
type Lag struct {
	Small int64         // a document of at most this many bytes is rewritten after every change
	Share int64         // a larger one is due when the events after it take 1/Share of its bytes
	Idle  time.Duration // or when the model was not changed for this long
}

// DefaultLag has the bounds that docs/performance.md measures.
var DefaultLag = Lag{Small: 1 << 20, Share: 8, Idle: time.Second}

// closeWait bounds how long Close waits for its turn to bring a document up to
// date. A document that still lags then is due at the next change.
const closeWait = time.Second

// due reports whether the document is rewritten with the next append, which
// takes a number of bytes.
func (l Lag) due(s *State, bytes int64) bool {
	return s.Checkpoint == 0 || s.Older || s.Size <= l.Small || s.Offset+bytes-s.CheckpointEnd >= s.Size/l.Share
}

// lags notes whether the document lags because of this engine. If so, the
// document is brought up to date when the model was not changed for a while.
// The caller holds the lock.
func (m *Model) lags(behind bool) {
	m.behind = behind
	switch {
	case !behind:
		if m.idle != nil {
			m.idle.Stop()
		}
	case m.idle == nil:
		m.idle = time.AfterFunc(m.e.Lag.Idle, m.whenIdle)
	default:
		m.idle.Reset(m.e.Lag.Idle)
	}
}

func (m *Model) whenIdle() {
	if m.e.Start() {
		defer m.e.Stop()
		m.catchUp(context.Background())
	}
}

// catchUp brings the document up to date if it lags because of this engine, and
// records an external change that was made to it since. A failure is logged.
// The document is then due at the next change, or when the model is idle if
// another program wrote it meanwhile.
func (m *Model) catchUp(ctx context.Context) {
	m.mu.Lock()
	behind := m.behind
	m.lags(false)
	m.mu.Unlock()
	if !behind || !m.stillBehind(ctx) {
		return
	}
	documentErr, err := m.commit(ctx, m.planDocument)
	if documentErr == nil && err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.warnDocument(err)
	}
	m.lags(errors.Is(errors.Join(documentErr, err), driver.ErrOvertaken))
}

// planDocument plans the commit that brings the document up to date, with an
// event for an external change if there was one. The caller holds the lock.
func (m *Model) planDocument() (plan, error) {
	s := m.state
	if !s.behind() {
		return plan{}, nil // another process did it
	}
	if err := Writable(s.Facts); err != nil {
		return plan{}, err
	}
	t := NewTxn(s, m.e.Now())
	if err := m.record(t, s.Pending); err != nil {
		return plan{}, err
	}
	return plan{t, &driver.Commit{Lines: t.Lines, Checkpoint: m.checkpoint(t)}}, nil
}

// behind reports whether the document lacks events of the history: it lags, or
// another program wrote it, perhaps from one that lagged.
func (s *State) behind() bool {
	switch {
	case s.DocumentErr != nil:
		return false
	case s.Pending != nil:
		return s.Pending.Op == index.OpForeign // to go on from a lost history takes a change
	}
	return s.Checkpoint != s.Last
}

// stillBehind reads, without the store's lock, whether the document is behind.
// An append would make the store's folder again if it was removed.
func (m *Model) stillBehind(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.refresh(ctx)
	return err != nil || m.state.behind() // the append reports the error
}
