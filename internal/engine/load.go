package engine

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

// Another program truncates the document and then writes it, in place. A
// document may look damaged in between. So it is read again every tornEvery,
// for tornFor, before damage is reported.
const (
	tornFor   = 50 * time.Millisecond
	tornEvery = 5 * time.Millisecond
)

// Load returns the state of the model that a view shows. It keeps nothing of
// earlier reads.
func (m *Model) Load(ctx context.Context, v driver.View) (s *State, err error) {
	err = untorn(ctx, func(last bool) (again bool, err error) {
		s, err = m.loader(v).all()
		return !last && torn(s, err), err
	})
	return s, err
}

// untorn calls read until it returns again == false, for tornFor at most. In
// the last call, last is true, and read must return false.
func untorn(ctx context.Context, read func(last bool) (again bool, err error)) error {
	for deadline := time.Now().Add(tornFor); ; time.Sleep(tornEvery) {
		last := ctx.Err() != nil || !time.Now().Before(deadline)
		if again, err := read(last); !again {
			return err
		}
	}
}

// torn reports whether what was read is damaged, so that another program may be
// writing it.
func torn(s *State, err error) bool {
	if err == nil {
		err = s.DocumentErr
	}
	var corrupt *driver.CorruptError
	return errors.As(err, &corrupt)
}

// A loader makes a state from what a view shows of one model.
type loader struct {
	Reader
	small int64 // see Lag
}

// all reads the model from the start.
func (l loader) all() (*State, error) {
	s, err := l.read()
	if err != nil {
		return nil, err
	}
	s.Revision = l.Revision()
	s.IndexStages()
	return s, nil
}

// advance applies the events that were appended since the state was read. It
// returns false if the model has to be read from the start: the document is not
// ours, or the log is another one.
func (l loader) advance(s *State) (bool, error) {
	if s.Pending != nil || s.DocumentErr != nil || s.Revision == nil {
		return false, nil
	}
	checkpoint, checkpointEnd, older := s.Checkpoint, s.CheckpointEnd, s.Older
	if l.DocumentChanged(s.Revision) {
		at, ours, err := l.Position()
		if err != nil {
			return false, err
		}
		if !ours || at.Event == s.Last && at.Hash != s.Hash { // a repair made another history of it
			return false, nil
		}
		if older = at.Format < format.Version; !older && !sameMembers(at.Others, s.Others) {
			return false, nil // a later release wrote it
		}
		checkpoint, checkpointEnd = at.Event, at.Offset
	}
	lines, end, err := l.ReadLog(s.Offset)
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
	if checkpoint > s.Last {
		return false, nil
	}
	s.Revision = l.Revision()
	s.IndexStages()
	return true, nil
}

// read reads the document. If that is one of ours, read applies the later lines
// of the log to it. Otherwise it reads the whole log and merges the document
// into it.
func (l loader) read() (*State, error) {
	d, exists, damage := l.ReadDocument()
	var corrupt *driver.CorruptError
	switch {
	case errors.As(damage, &corrupt):
		s, _, err := l.replay()
		if err != nil {
			return nil, errors.Join(damage, err)
		}
		if s.Last == 0 {
			return nil, damage
		}
		return &State{State: s, DocumentErr: damage}, nil
	case damage != nil:
		return nil, damage
	case !exists:
		return asState(l.replay())
	case d.Mark == nil || !d.Intact:
		return l.merge(d)
	case d.Mark.Format < format.Version:
		return l.followOlder(d)
	}
	return l.follow(d, index.FromDocument(l.Name.UseCase, l.Name.Model, d))
}

// asState converts the results of replay to those of read.
func asState(s *index.State, _ []*index.Event, err error) (*State, error) {
	if err != nil {
		return nil, err
	}
	return &State{State: s}, nil
}

// replay applies the whole log.
func (l loader) replay() (*index.State, []*index.Event, error) {
	lines, end, err := l.ReadLog(0)
	if err != nil {
		return nil, nil, err
	}
	s, events, err := index.Replay(l.Name.UseCase, l.Name.Model, lines, end)
	return s, events, l.damaged(err)
}

// follow starts from the state of a document of ours and applies the later
// events of the log. If the log does not have the event of the document, the
// log was lost or cut, and follow uses the document alone. If the log has
// another event with that number, the document belongs to another history.
func (l loader) follow(d *document.Document, s *index.State) (*State, error) {
	base := s.Facts
	if s.Damage != nil {
		return nil, l.Corrupt(DocumentFile, 0, s.Damage)
	}
	lines, end, err := l.ReadLog(s.Offset)
	if err == nil {
		if _, err = s.Extend(lines, s.Offset, end); err == nil {
			s.AdoptGates(base, d)
			return &State{State: s}, nil
		}
		err = l.damaged(err)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = l.Corrupt(LogFile, s.Offset, fmt.Errorf("no line ends where event %d should", s.Last))
	}
	var corrupt *driver.CorruptError
	if !errors.As(err, &corrupt) {
		return nil, err
	}
	whole, end, readErr := l.ReadLog(0)
	if readErr != nil {
		return nil, readErr
	}
	switch log := index.ReadLog(whole); {
	case log.Has(d.Mark):
		return nil, err
	case log.Contradicts(d.Mark):
		r, _, err := l.replay()
		if err != nil {
			return nil, err
		}
		return &State{State: r, DocumentErr: l.Corrupt(DocumentFile, 0, ErrContradiction)}, nil
	}
	return l.lost(s, whole, end)
}

// ErrContradiction says that a document is one of ours, but belongs to another
// history than the one beside it. If that history is sound, it is right.
var ErrContradiction = errors.New("it belongs to another history")

// lost returns a state that consists of a document alone. Its next event
// continues the log that is there.
func (l loader) lost(s *index.State, log []byte, end int64) (*State, error) {
	if s.Damage != nil { // which says more than the log could
		return nil, l.Corrupt(DocumentFile, 0, s.Damage)
	}
	s, err := s.Continue(log, end)
	return asState(s, nil, l.damaged(err))
}

// followOlder is follow for a document by an older release, which drops members
// that it does not know. followOlder takes these from the history.
func (l loader) followOlder(d *document.Document) (*State, error) {
	lines, end, err := l.ReadLog(0)
	var corrupt *driver.CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return nil, err
	}
	if events, damage := index.ParseLog(lines, 0, 0, ""); err == nil && damage == nil {
		if s := index.FromOlder(l.Name.UseCase, l.Name.Model, d, events, end); s != nil {
			return &State{State: s}, nil
		}
	}
	// The history before the document can't be read as a whole, or is another
	// one. The facts of the model are those that can be read there.
	s := index.FromDocument(l.Name.UseCase, l.Name.Model, d)
	s.Facts = index.FactsAt(index.ReadLog(lines).Events(), d.Mark.Event)
	return l.follow(d, s)
}

// merge takes in a document that another program wrote or edited. It applies
// that program's changes, the differences from the document that the program
// started from, to the state of the history. The next change records them.
func (l loader) merge(d *document.Document) (*State, error) {
	s, events, err := l.replay()
	if err != nil {
		return nil, err
	}
	if s.Last == 0 || d.Mark != nil && d.Mark.Event > s.Last { // it never had a history, or lost it
		log, end, err := l.ReadLog(0)
		if err != nil {
			return nil, err
		}
		return l.lost(index.FromDocument(l.Name.UseCase, l.Name.Model, d), log, end)
	}
	s.Merge(d, events, noteIn(l.View), s.Size <= l.small, treesIn(l.View))
	return &State{State: s}, nil
}

// noteIn returns what the store noted of the document.
func noteIn(v driver.View) (n index.DocumentNote) {
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

// treesIn returns a function that reports which files a version has.
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

// sameMembers reports whether two lists have equal members in the same order.
func sameMembers(a, b []pyjson.Member) bool {
	return slices.EqualFunc(a, b, func(x, y pyjson.Member) bool { return x.Key == y.Key && pyjson.Equal(x.Value, y.Value) })
}
