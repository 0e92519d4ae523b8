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
	Idle  time.Duration // or when the model was not changed for this long, or at Close

	OnlyDue bool // a larger document is written only when its share is due, and not for Idle or at Close
}

// DefaultLag has the bounds that docs/performance.md measures.
var DefaultLag = Lag{Small: 1 << 20, Share: 8, Idle: time.Second}

// closeWait bounds how long Close waits for its turn to bring a document up to
// date. A document that still lags then is due at the next change.
const closeWait = time.Second

// While another program has a document open, some systems don't replace it.
// Close tries again after inUsePause. An idle model tries again after waits
// that double, up to inUseWait.
const (
	inUsePause = 50 * time.Millisecond
	inUseWait  = time.Minute
)

// due reports whether the document is rewritten with the next append, which
// takes a number of bytes.
func (l Lag) due(s *State, bytes int64) bool {
	return s.Checkpoint == 0 || s.Older || s.Size <= l.Small || s.Offset+bytes-s.CheckpointEnd >= s.Size/l.Share
}

// scheduleCatchUp notes that the document lags because of this engine. It is
// brought up to date when the model was not changed for the wait. The caller
// holds the lock.
func (m *Model) scheduleCatchUp(wait time.Duration) {
	m.lagging, m.wait = true, wait
	if m.idle == nil {
		m.idle = time.AfterFunc(wait, m.whenIdle)
	} else {
		m.idle.Reset(wait)
	}
}

// cancelCatchUp notes that the document does not lag because of this engine.
// The caller holds the lock.
func (m *Model) cancelCatchUp() {
	m.lagging = false
	if m.idle != nil {
		m.idle.Stop()
	}
}

func (m *Model) whenIdle() {
	if m.e.Start() {
		defer m.e.Stop()
		m.catchUp(context.Background(), false)
	}
}

// catchUp brings the document up to date if it lags because of this engine, and
// records an external change that was made to it since. A failure is logged.
// The document is then due at the next change. It is also due when the model is
// idle again, if another program wrote it meanwhile or has it open. At the last
// attempt, catchUp waits for a program that has the document open, until the
// context ends.
func (m *Model) catchUp(ctx context.Context, last bool) {
	m.mu.Lock()
	lagging, waited := m.lagging, m.wait
	m.cancelCatchUp()
	m.mu.Unlock()
	if !lagging || !m.stillLags(ctx) {
		return
	}
	documentErr, err := m.commit(ctx, m.planDocument)
	for last && errors.Is(documentErr, driver.ErrInUse) && pause(ctx, inUsePause) {
		documentErr, err = m.commit(ctx, m.planDocument)
	}
	if err = errors.Join(documentErr, err); err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	idle := m.e.Lag.Idle
	switch {
	case errors.Is(err, driver.ErrOvertaken):
		m.scheduleCatchUp(idle)
	case errors.Is(err, driver.ErrInUse) && !last:
		if waited <= idle { // the attempts after the first are not logged
			m.warnDocument(err)
		}
		m.scheduleCatchUp(max(idle, min(2*max(waited, inUsePause), inUseWait)))
	default:
		m.warnDocument(err)
		m.cancelCatchUp()
	}
}

// pause returns false if the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// overtakenTries is how often Checkpoint writes the document if another program
// writes it, too.
const overtakenTries = 3

// Checkpoint brings the document up to date, and records an external change
// that was made to it. It takes its turn like a change. It returns the fault if
// the document is damaged, and driver.ErrOvertaken if another program keeps
// writing it.
func (m *Model) Checkpoint(ctx context.Context) (err error) {
	for range overtakenTries {
		current := false
		err = m.Read(ctx, true, func(s *State) error {
			current = !s.lags()
			return s.DocumentErr
		})
		if err != nil || current {
			return err
		}
		c := newChange(func(t *Txn) (string, error) {
			return "", errors.Join(t.State.DocumentErr, t.State.Facts.Writable())
		}, nil)
		c.checkpoint = true
		if err = m.turn(ctx, c); !errors.Is(err, driver.ErrOvertaken) {
			return err
		}
	}
	return err
}

// planDocument plans the commit that brings the document up to date, with an
// event for an external change if there was one. The caller holds the lock.
func (m *Model) planDocument() (plan, error) {
	s := m.state
	if !s.lags() {
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

// lags reports whether the document lacks events of the history, or another
// program wrote it.
func (s *State) lags() bool {
	switch {
	case s.DocumentErr != nil:
		return false
	case s.Pending != nil:
		return s.Pending.Op == index.OpForeign // only a change starts a new history after a loss
	}
	return s.Checkpoint != s.Last
}

// stillLags reads, without the store's lock, whether the document lags. An
// append would make the store's folder again if it was removed.
func (m *Model) stillLags(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.refresh(ctx)
	return err != nil || m.state.lags() // the append reports the error
}
