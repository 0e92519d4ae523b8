package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/format"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Another program truncates the document and writes it again, in place. What
// reads as damaged in between is read again for tornFor, every tornEvery,
// before it is reported as damaged.
const (
	tornFor   = 50 * time.Millisecond
	tornEvery = 5 * time.Millisecond
)

// documentFile and logFile are how errors call a model's document and log.
const (
	documentFile = "registry.json"
	logFile      = "history.jsonl"
)

// load brings m.state up to what the view shows, from where it stands or from
// the start.
func (m *model) load(v driver.View) error {
	if m.state != nil {
		ok, err := m.advance(v)
		if err != nil {
			return err
		}
		if ok {
			m.state.rev = v.Revision()
			m.state.Settle()
			return nil
		}
	}
	s, err := m.loadAll(v)
	if err != nil {
		return err
	}
	s.rev = v.Revision()
	s.Settle()
	m.state = s
	return nil
}

// withState brings the state up to date by load and calls fn, both under the
// model's lock. If load finds damage it is tried again for tornFor, without the
// lock in between, so that other readers go on.
func (m *model) withState(ctx context.Context, load, fn func() error) error {
	for deadline := time.Now().Add(tornFor); ; time.Sleep(tornEvery) {
		last := ctx.Err() != nil || !time.Now().Before(deadline)
		if torn, err := m.tryState(load, fn, last); !torn {
			return err
		}
	}
}

// loadSettled is load that reads again what looks damaged.
func (m *model) loadSettled(ctx context.Context, v driver.View) error {
	return m.withState(ctx, func() error { return m.load(v) }, func() error { return nil })
}

func (m *model) tryState(load, fn func() error, last bool) (torn bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = load()
	damage := err
	if err == nil {
		damage = m.state.docErr
	}
	var corrupt *CorruptError
	if errors.As(damage, &corrupt) && !last {
		return true, err
	}
	if err == nil {
		err = fn()
	}
	return false, err
}

// advance applies what was appended since the state was read. It reports false
// if the state has to be read again: the document is not ours, or the log is
// not the one it was.
func (m *model) advance(v driver.View) (bool, error) {
	s := m.state
	if s.Pending != nil || s.docErr != nil || s.rev == nil {
		return false, nil
	}
	checkpoint, checkpointEnd, older := s.Checkpoint, s.CheckpointEnd, s.Older
	if v.DocumentChanged(s.rev) {
		data, ok, err := v.Document()
		if errors.Is(err, fs.ErrInvalid) {
			return false, nil // a full read says so
		}
		if err != nil || !ok {
			return false, err
		}
		at, ours := document.Position(data)
		if !ours || at.Event == s.Last && at.Hash != s.Hash { // a repair made another history of it
			return false, nil
		}
		if older = at.Format < format.Version; !older && !sameMembers(at.Others, s.Others) {
			return false, nil // a later release wrote it
		}
		checkpoint, checkpointEnd = at.Event, at.Offset
	}
	lines, end, err := m.readLog(v, s.Offset)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	events, err := index.ParseLog(lines, s.Offset, s.Last, s.Hash)
	if err != nil {
		return false, nil // a full read says what is wrong, or finds that nothing is
	}
	if slices.ContainsFunc(events, func(e *index.Event) bool {
		return e.Op == index.OpForeign || e.Op == index.OpImport || e.Op == index.OpRepair
	}) {
		return false, nil // the document may hold bytes and keys that no event does
	}
	s.ApplyAll(events, end)
	s.Checkpoint, s.CheckpointEnd, s.Older = checkpoint, checkpointEnd, older
	return checkpoint <= s.Last, nil
}

// readDocument reads the document. What can't be one is corrupt.
func (m *model) readDocument(v driver.View) (d *document.Document, exists bool, err error) {
	data, exists, err := v.Document()
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return nil, true, m.corrupt(documentFile, 0, err)
	case err != nil || !exists:
		return nil, exists, err
	}
	if d, err = document.Parse(data); err != nil {
		var syntax *pyjson.SyntaxError
		errors.As(err, &syntax)
		return nil, true, m.corrupt(documentFile, syntax.Offset, err)
	}
	return d, true, nil
}

// readLog reads the log from a position on. What can't be a log is corrupt.
func (m *model) readLog(v driver.View, from int64) (lines []byte, end int64, err error) {
	lines, end, err = v.Log(from)
	if errors.Is(err, fs.ErrInvalid) {
		err = m.corrupt(logFile, from, err)
	}
	return lines, end, err
}

// corrupt returns a *CorruptError about one of the model's files.
func (m *model) corrupt(file string, offset int64, err error) error {
	return &CorruptError{Path: m.name.String() + "/" + file, Offset: offset, Err: err}
}

// damaged returns err, as a *CorruptError if the index found damage.
func (m *model) damaged(err error) error {
	var d *index.DamageError
	switch {
	case !errors.As(err, &d):
		return err
	case d.Document:
		return m.corrupt(documentFile, d.Offset, d.Err)
	}
	return m.corrupt(logFile, d.Offset, d.Err)
}

// loadAll reads the model from the start: the document, if it is one of ours,
// and what the log has behind it; else the whole log, merged with the document.
func (m *model) loadAll(v driver.View) (*state, error) {
	d, exists, damage := m.readDocument(v)
	var corrupt *CorruptError
	switch {
	case errors.As(damage, &corrupt):
		s, _, err := m.replay(v)
		if err != nil {
			return nil, errors.Join(damage, err)
		}
		if s.Last == 0 {
			return nil, damage
		}
		return &state{State: s, docErr: damage}, nil
	case damage != nil:
		return nil, damage
	case !exists:
		return asState(m.replay(v))
	case d.Mark == nil || !d.Intact:
		return m.merge(v, d)
	case d.Mark.Format < format.Version:
		return m.followOlder(v, d)
	}
	return m.follow(v, d, index.FromDocument(m.name.UseCase, m.name.Model, d))
}

// asState returns what replay returned as loadAll does.
func asState(s *index.State, _ []*index.Event, err error) (*state, error) {
	if err != nil {
		return nil, err
	}
	return &state{State: s}, nil
}

// replay applies the whole log.
func (m *model) replay(v driver.View) (*index.State, []*index.Event, error) {
	lines, end, err := m.readLog(v, 0)
	if err != nil {
		return nil, nil, err
	}
	s, events, err := index.Replay(m.name.UseCase, m.name.Model, lines, end)
	return s, events, m.damaged(err)
}

// follow starts from the state of a document of ours and applies what the log
// has behind it. If the log does not have the event that the document stands
// at, the log was lost or cut, and the document is all there is; if it has
// another one of that number, the document came from somewhere else.
func (m *model) follow(v driver.View, d *document.Document, s *index.State) (*state, error) {
	base := s.Facts
	if s.Damage != nil {
		return nil, m.corrupt(documentFile, 0, s.Damage)
	}
	lines, end, err := m.readLog(v, s.Offset)
	if err == nil {
		if _, err = s.Extend(lines, s.Offset, end); err == nil {
			s.TakeGates(base, d)
			return &state{State: s}, nil
		}
		err = m.damaged(err)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = m.corrupt(logFile, s.Offset, fmt.Errorf("no line ends where event %d should", s.Last))
	}
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		return nil, err
	}
	if log, _, lookErr := v.Log(0); lookErr == nil && s.Stands(log) {
		return nil, err
	}
	if r, events, replayErr := m.replay(v); replayErr == nil && slices.ContainsFunc(events, func(e *index.Event) bool { return e.Number == s.Last }) {
		return &state{State: r, docErr: m.corrupt(documentFile, 0, errStrange)}, nil
	}
	return m.lost(v, s)
}

// errStrange says that a document is one of ours, but belongs to another
// history than the one beside it. If that is sound it is the truth.
var errStrange = errors.New("it stands at an event of another history")

// lost has a state that stands on its document alone continue whatever log
// there is.
func (m *model) lost(v driver.View, s *index.State) (*state, error) {
	if s.Damage != nil { // which says more than the log could
		return nil, m.corrupt(documentFile, 0, s.Damage)
	}
	lines, end, err := m.readLog(v, 0)
	if err != nil {
		return nil, err
	}
	s, err = s.Continue(lines, end)
	return asState(s, nil, m.damaged(err))
}

// followOlder is follow for a document by a release that keeps nothing it does
// not know. It takes the history's word for what such a release drops.
func (m *model) followOlder(v driver.View, d *document.Document) (*state, error) {
	lines, end, err := m.readLog(v, 0)
	var corrupt *CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return nil, err
	}
	if events, damage := index.ParseLog(lines, 0, 0, ""); err == nil && damage == nil {
		if s := index.FromOlder(m.name.UseCase, m.name.Model, d, events, end); s != nil {
			return &state{State: s}, nil
		}
	}
	// The history before the document can't be read as a whole, or is another
	// one. The facts of the model are those that can be read there.
	var x modelCheck
	x.readLog(lines)
	s := index.FromDocument(m.name.UseCase, m.name.Model, d)
	s.Facts = index.FactsAt(x.events(), d.Mark.Event)
	return m.follow(v, d, s)
}

// merge takes in a document that another program wrote or edited. What that
// program changed, against the document that it started from, is laid over what
// the history has; the next change records it.
func (m *model) merge(v driver.View, d *document.Document) (*state, error) {
	s, events, err := m.replay(v)
	if err != nil {
		return nil, err
	}
	if s.Last == 0 || d.Mark != nil && d.Mark.Event > s.Last { // it never had a history, or lost it
		return m.lost(v, index.FromDocument(m.name.UseCase, m.name.Model, d))
	}
	s.Merge(d, events, noteIn(v), s.Size <= m.r.lag.small, treesIn(v))
	return &state{State: s}, nil
}

// noteIn returns what the store noted of the document.
func noteIn(v driver.View) (n index.Note) {
	noted, ok := v.(driver.NotedView)
	if !ok {
		return n
	}
	n.Kept = true
	if text, sure := noted.Note(); sure {
		n.Text = text
	}
	return n
}

// treesIn returns how to look which files a version has.
func treesIn(v driver.View) func(version string) index.Tree {
	trees, ok := v.(driver.TreeView)
	return func(version string) index.Tree {
		if !ok {
			return index.TreeUnknown
		}
		kind, err := trees.Tree(version)
		switch {
		case err != nil:
			return index.TreeUnknown
		case kind == "":
			return index.NoTree
		case kind == driver.ItemTree:
			return index.OurTree
		}
		return index.OtherTree
	}
}

// sameMembers reports whether two lists of members say the same.
func sameMembers(a, b []pyjson.Member) bool {
	return slices.EqualFunc(a, b, func(x, y pyjson.Member) bool { return x.Key == y.Key && pyjson.Equal(x.Value, y.Value) })
}
