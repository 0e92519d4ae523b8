package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Txn collects the events of a commit before they are appended.
type Txn struct {
	*index.Txn
	State *State // before the commit
}

// NewTxn begins a transaction on a state, at the time of its changes.
func NewTxn(s *State, now time.Time) *Txn {
	return &Txn{index.NewTxn(s.State, now), s}
}

// A plan is what a commit is to do: nothing, if it has no commit.
type plan struct {
	txn    *Txn
	commit *driver.Commit
}

// commit makes one append of what decide plans on the model's present state.
// The plan is for the changes of a batch, or for the document alone. If the
// append happened and the document could not be written, commit returns that
// error as documentErr.
func (m *Model) commit(ctx context.Context, decide func() (plan, error)) (documentErr, err error) {
	var p plan
	m.commits.Add(1) // the state is not dropped between the decision and its events
	defer m.commits.Add(-1)
	waits := time.AfterFunc(patience, m.warnWaiting)
	defer waits.Stop()
	done, err := m.e.Store.Append(ctx, m.Name.UseCase, m.Name.Model, func(v driver.View) (*driver.Commit, error) {
		waits.Stop()
		err := m.withState(ctx, func() error { return m.load(v) }, func() (err error) {
			if p, err = decide(); p.commit == nil {
				m.state.Revision = v.Revision()
			}
			return err
		})
		return p.commit, err
	})
	if p.commit == nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.state = nil // the store may have other bytes, so they are read again
		m.e.kept.note(m)
		return nil, err
	}
	s := m.applied(p.txn, done.End)
	s.Revision = done.Revision
	if done.DocumentErr != nil {
		s.Revision = nil // the document may be of another event, so it is read again
	}
	lags := p.commit.Checkpoint == nil && !m.e.Lag.OnlyDue
	if (lags || done.DocumentErr != nil) && s.DocumentErr == nil {
		m.scheduleCatchUp(m.e.Lag.Idle)
	} else {
		m.cancelCatchUp()
	}
	return done.DocumentErr, nil
}

// patience is how long a commit waits for the store before the log says so.
const patience = time.Second

func (m *Model) warnWaiting() {
	by := "another program or a stopped process"
	if s, ok := m.e.Store.(driver.LockHolder); ok {
		if holder := s.LockHolder(m.Name.UseCase, m.Name.Model); holder != "" {
			by = holder
		}
	}
	m.e.Log.Warn("the change waits, because "+by+" holds the model's lock", slog.String("model", m.Name.String()))
}

// applied returns the state with an append that happened. A read may have
// applied these events meanwhile, and later ones; Apply skips events that the
// state has.
func (m *Model) applied(t *Txn, end int64) *State {
	if m.state == nil {
		m.state = t.State
	}
	for _, e := range t.Events {
		m.state.Apply(e, end)
	}
	m.state.IndexStages()
	m.e.kept.note(m)
	return m.state
}

// planBatch lets each change of the batch decide in turn, on the state as the
// changes before it leave it. It records an external change first. The caller
// holds the lock.
func (m *Model) planBatch(batch []*change) plan {
	s := m.state
	t := NewTxn(s, m.e.Now())
	pending := s.Pending
	if s.Facts.Writable() != nil {
		pending = nil // a change that must write fails by itself; the others can succeed
	}
	if err := m.record(t, pending); err != nil {
		for _, c := range batch {
			c.err = err
		}
		return plan{}
	}
	var trees []driver.StagedTree
	wrote, asked := false, false
	for _, c := range batch {
		before := len(t.Events)
		version, err := c.decide(t)
		c.err = formatError(err)
		c.wrote, c.dependent = len(t.Events) > before, before > 0
		if c.err != nil {
			continue
		}
		asked = asked || c.checkpoint
		wrote = wrote || c.wrote || pending != nil // a result must not depend on an external change that is not recorded
		if c.wrote && c.staged != nil {
			trees = append(trees, driver.StagedTree{Staged: c.staged, Version: version})
		}
	}
	asked = asked && (wrote || s.lags())
	if !wrote && !asked {
		return plan{}
	}
	commit := &driver.Commit{Trees: trees, Lines: t.Lines}
	switch {
	case s.DocumentErr != nil:
		m.warnDocument(s.DocumentErr)
	case asked || s.Pending != nil || m.e.Lag.due(s, t.Bytes()):
		commit.Checkpoint = m.checkpoint(t)
	}
	return plan{t, commit}
}

// record appends an external change that is not recorded yet, if there is one.
func (m *Model) record(t *Txn, pending *index.Event) error {
	if last := t.State.Last; pending != nil && pending.Op == index.OpImport && last > 0 {
		text := "history lost; a new one starts with what registry.json holds"
		if s, ok := m.e.Store.(driver.LossExplainer); ok {
			text += ": " + s.LossCause()
		}
		m.e.Log.LogAttrs(context.Background(), slog.LevelWarn, text,
			slog.String("model", m.Name.String()), slog.Int64("after event", last))
	}
	return formatError(t.Record(pending))
}

// checkpoint returns the document of a commit. The document may replace one
// that the commit's view did not show, if that is a checkpoint of the same
// history that is not newer. An external change stays, so that the next view
// shows it.
func (m *Model) checkpoint(t *Txn) *driver.Checkpoint {
	last := t.Base.Last + int64(len(t.Events)) // computed now, because the append advances t.Base
	return &driver.Checkpoint{
		Make: func(end int64) (document io.WriterTo, note string) {
			m.mu.Lock()
			defer m.mu.Unlock()
			s := m.applied(t, end)
			note = s.DocumentNote()
			return s.Document(s.Offset), note // a read may have applied later events meanwhile
		},
		Replaces: func(there []byte) bool {
			at, ours := document.Position(there)
			return ours && at.Event <= last
		},
	}
}

// warnDocument logs why a document could not be written, if it could not.
func (m *Model) warnDocument(err error) {
	if err == nil || errors.Is(err, driver.ErrOvertaken) {
		return // no failure: the document is read again
	}
	m.e.Log.LogAttrs(context.Background(), slog.LevelWarn, "registry.json not brought up to date",
		slog.String("model", m.Name.String()), slog.Any("error", err))
}

// formatError returns an error of the index as callers know it, if it says that
// this release may not write a model.
func formatError(err error) error {
	if needs, ok := err.(*index.NeedsError); ok {
		return &driver.FormatError{Needs: slices.Clone(needs.Needs)}
	}
	return err
}

// Writable returns a *driver.FormatError if this release may not change a model
// with these facts, or nil.
func Writable(f index.Facts) error { return formatError(f.Writable()) }
