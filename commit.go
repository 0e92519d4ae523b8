package modelregistry

import (
	"context"
	"log/slog"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// commit makes one append of a batch: the changes that it is given, and those
// that take returns once the model's turn in the store has come. It returns the
// batch.
func (m *model) commit(ctx context.Context, batch []*change, take func() []*change) ([]*change, error) {
	var d *txn
	var c *driver.Commit
	done, err := m.r.store.Append(ctx, m.name.UseCase, m.name.Model, func(v driver.View) (*driver.Commit, error) {
		err := m.withState(ctx, func() error { return m.load(v) }, func() error {
			batch = append(batch, take()...)
			if d, c = m.decide(batch); c == nil {
				m.state.rev = v.Revision()
			}
			return nil
		})
		return c, err
	})
	if c == nil {
		return batch, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.state = nil // the store may have more or less than it, so it is read again
		return batch, err
	}
	s := m.applied(d, done.End)
	s.rev = done.Revision
	if done.DocumentErr != nil {
		s.rev = nil // the document may be of another event, so it is read again
		m.warnCheckpoint(done.DocumentErr)
	}
	m.lagged((c.Document == nil || done.DocumentErr != nil) && s.docErr == nil)
	return batch, nil
}

// A txn collects the events of a batch before they are appended.
type txn struct {
	*index.Txn
	state *state // before the batch
	note  string // of the document, after the document was made
}

func newTxn(s *state, now time.Time) *txn {
	return &txn{Txn: index.NewTxn(s.State, now), state: s}
}

func (t *txn) noteOf() string { return t.note }

// decide lets each change of the batch decide in turn, on the state as the
// changes before it leave it. It returns no commit if there is nothing to
// append.
func (m *model) decide(batch []*change) (*txn, *driver.Commit) {
	s := m.state
	t := newTxn(s, m.r.now())
	p := s.Pending
	if s.Facts.Writable() != nil {
		p = nil // a change that must write fails by itself; the others can succeed
	}
	if p != nil {
		if p.Op == index.OpImport && s.Last > 0 {
			m.r.log.LogAttrs(context.Background(), slog.LevelWarn, "history lost; a new one starts with what registry.json holds",
				slog.String("model", m.name.String()), slog.Int64("after event", s.Last))
		}
		if err := t.Record(p); err != nil {
			for _, c := range batch {
				c.err = indexError(err)
			}
			return t, nil
		}
	}
	commit := &driver.Commit{}
	wrote := false
	for _, c := range batch {
		before := len(t.Events)
		c.version, c.err = c.decide(t)
		c.err = indexError(c.err)
		c.wrote, c.leaned = len(t.Events) > before, before > 0
		if c.err != nil {
			continue
		}
		if e := t.Get(c.version); e != nil {
			c.result = *decodeVersion(m.name, e)
			c.result.Stage = ModelStage(t.Stage(e))
			c.result.ModelGates = factsGates(s.Facts)
		}
		wrote = wrote || c.wrote || p != nil // a success rests on the history alone
		if c.wrote && c.staged != nil {
			commit.Trees = append(commit.Trees, driver.StagedTree{Staged: c.staged, Version: c.version})
		}
	}
	if !wrote {
		t.Events = nil
		return t, nil
	}
	commit.Lines, commit.Note = t.Lines, t.noteOf
	switch {
	case s.docErr != nil:
		m.warnCheckpoint(s.docErr)
	case s.Pending != nil || m.r.lag.due(s, t.Bytes()):
		commit.Document, commit.Replaces = m.document(t), t.replaces()
	}
	return t, commit
}

// document returns the function that makes the document of a commit.
func (m *model) document(t *txn) func(end int64) []byte {
	return func(end int64) []byte {
		m.mu.Lock()
		defer m.mu.Unlock()
		s := m.applied(t, end)
		t.note = s.Note()
		return s.Format(s.Offset) // a read may have applied later events meanwhile
	}
}

// applied returns the state with an append that happened. A read may have
// applied these events meanwhile, and later ones; Apply skips events that the
// state has.
func (m *model) applied(t *txn, end int64) *state {
	if m.state == nil {
		m.state = t.state
	}
	for _, e := range t.Events {
		m.state.Apply(e, end)
	}
	m.state.Settle()
	return m.state
}
