package registrytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// A Memory has the data of in-memory stores: logs and documents in memory, and
// trees in a temporary folder, because programs read them as files. Any number
// of stores can share a Memory.
type Memory struct {
	dir string

	mu     sync.Mutex
	models map[mr.ModelName]*memModel
}

// A memModel is one model. The contents of its slices are never overwritten, so
// that a view does not change.
type memModel struct {
	turn     chan struct{} // holds a token while no change is under way
	log      []byte
	document []byte
	note     string
	rev      memRevision
	begun    bool              // a commit was made, so trees without a log are not a loss
	trees    map[string]string // version to folder
	orphans  []string
	kept     int
}

// memRevision counts the changes of a model.
type memRevision struct{ log, document int }

// NewMemory returns an empty Memory whose trees are removed when the test ends.
func NewMemory(t testing.TB) *Memory {
	t.Helper()
	return &Memory{dir: t.TempDir(), models: map[mr.ModelName]*memModel{}}
}

// Open returns a store on the data of m. It is also a [driver.Maintainer].
func (m *Memory) Open() mr.Store { return &memStore{m: m} }

type memStore struct{ m *Memory }

// view returns the model as it is now. A model that does not exist is empty.
func (s *memStore) view(name mr.ModelName) *memView {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if model := s.m.models[name]; model != nil {
		return &memView{model.log, model.document, model.note, model.rev, maps.Clone(model.trees)}
	}
	return &memView{}
}

// model returns a model, and makes it if it does not exist. The caller holds
// the lock.
func (m *Memory) model(name mr.ModelName) *memModel {
	model := m.models[name]
	if model == nil {
		model = &memModel{turn: make(chan struct{}, 1), trees: map[string]string{}}
		model.turn <- struct{}{}
		m.models[name] = model
	}
	return model
}

// WriteDocument puts a model's document in place without the stores on m, as
// another program does.
func (m *Memory) WriteDocument(name mr.ModelName, document []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	model := m.model(name)
	model.document = slices.Clone(document)
	model.rev.document++
	return nil
}

// acquire waits for the model's turn.
func (s *memStore) acquire(ctx context.Context, name mr.ModelName) (model *memModel, release func(), err error) {
	s.m.mu.Lock()
	model = s.m.model(name)
	s.m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	select {
	case <-model.turn:
		return model, func() { model.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (s *memStore) Models(ctx context.Context) iter.Seq2[driver.Name, error] {
	return s.names(ctx, (*memModel).exists)
}

func (s *memStore) Places(ctx context.Context) iter.Seq2[driver.Name, error] {
	return s.names(ctx, func(m *memModel) bool { return m.exists() || len(m.trees)+len(m.orphans) > 0 })
}

func (s *memStore) names(ctx context.Context, is func(*memModel) bool) iter.Seq2[driver.Name, error] {
	return func(yield func(driver.Name, error) bool) {
		var names []mr.ModelName
		s.m.mu.Lock()
		for name, model := range s.m.models {
			if is(model) {
				names = append(names, name)
			}
		}
		s.m.mu.Unlock()
		slices.SortFunc(names, func(a, b mr.ModelName) int {
			if c := strings.Compare(a.UseCase, b.UseCase); c != 0 {
				return c
			}
			return strings.Compare(a.Model, b.Model)
		})
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				yield(driver.Name{}, err)
				return
			}
			if !yield(driver.Name(name), nil) {
				return
			}
		}
	}
}

func (s *memStore) Changed(_ context.Context, useCase, model string, since driver.Revision) (bool, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	rev, ok := since.(memRevision)
	return !ok || rev != s.view(name).rev, nil
}

func (s *memStore) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	name := mr.ModelName{UseCase: useCase, Model: model}
	if err := ctx.Err(); err != nil {
		return err
	}
	return look(s.view(name))
}

func (s *memStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (done driver.AppendResult, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	held, release, err := s.acquire(ctx, name)
	if err != nil {
		return done, err
	}
	defer release()
	v := s.view(name)
	c, err := decide(v)
	if err != nil || c == nil {
		return done, err
	}
	if err := s.m.checkFirst(name, held); err != nil {
		return done, err
	}
	var lines []byte
	for _, line := range c.Lines {
		lines = append(append(lines, line...), '\n')
	}
	if err := s.m.placeTrees(held, c.Trees); err != nil {
		return done, err
	}
	s.m.mu.Lock()
	held.begun = true
	if len(lines) > 0 {
		held.log = append(slices.Clip(held.log), lines...)
		held.rev.log++
	}
	done.End = int64(len(held.log))
	rev := memRevision{held.rev.log, v.rev.document}
	s.m.mu.Unlock()
	if c.Checkpoint != nil {
		var document bytes.Buffer
		made, note := c.Checkpoint.Make(done.End)
		if _, done.DocumentErr = made.WriteTo(&document); done.DocumentErr == nil {
			done.DocumentErr = s.m.replaceDocument(held, &rev, document.Bytes(), note)
		}
	}
	done.Revision = rev
	return done, nil
}

// replaceDocument puts a document in place, unless another program wrote a
// document since the revision. Another append can't have written one.
func (m *Memory) replaceDocument(model *memModel, since *memRevision, document []byte, note string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if model.rev.document != since.document {
		return mr.ErrOvertaken
	}
	model.document, model.note = document, note
	model.rev.document++
	since.document++
	return nil
}

// exists reports whether the model has a log or a document.
func (m *memModel) exists() bool { return len(m.log) > 0 || m.document != nil }

// checkFirst returns why a model may not be made: its log and document were
// lost, or another model's name differs in case only.
func (m *Memory) checkFirst(name mr.ModelName, model *memModel) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if model.exists() {
		return nil
	}
	for other, is := range m.models {
		if other != name && is.exists() && strings.EqualFold(other.UseCase, name.UseCase) && strings.EqualFold(other.Model, name.Model) {
			return &mr.NameError{Name: driver.Name(name), Other: driver.Name(other)}
		}
	}
	for version, dir := range model.trees {
		if !model.begun && sealed(dir) {
			return fmt.Errorf("%w, and %s exists", mr.ErrIndexLost, name.At(version))
		}
	}
	return nil
}

// LoseIndex removes a model's log and document and leaves its trees, as happens
// when a person copies a store and forgets some files.
func (m *Memory) LoseIndex(name mr.ModelName) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	model := m.models[name]
	if model == nil {
		return fmt.Errorf("model %s: %w", name, fs.ErrNotExist)
	}
	model.log, model.document, model.begun = nil, nil, false
	model.rev.log++
	model.rev.document++
	return nil
}

// placeTrees makes versions of all trees or of none.
func (m *Memory) placeTrees(model *memModel, trees []driver.StagedTree) error {
	for _, t := range trees {
		if err := t.Validate(); err != nil {
			return err
		}
		if old, ok := model.trees[t.Version]; ok && !sealed(old) {
			return &driver.OccupiedError{Version: t.Version}
		}
	}
	for i, t := range trees {
		st := memStagedOf(t)
		to := m.folder()
		if err := os.Rename(st.dir, to); err != nil {
			for _, t := range trees[:i] {
				err = errors.Join(err, os.Rename(model.trees[t.Version], memStagedOf(t).dir))
				delete(model.trees, t.Version)
			}
			return err
		}
		m.mu.Lock()
		if old, ok := model.trees[t.Version]; ok {
			model.orphans = append(model.orphans, old)
		}
		model.trees[t.Version] = to
		m.mu.Unlock()
	}
	return nil
}

// sealed reports whether a tree has a manifest.
func sealed(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "manifest.json"))
	return err == nil && info.Mode().IsRegular()
}

// folder returns a path that is not in use.
func (m *Memory) folder() string {
	var b [16]byte
	rand.Read(b[:])
	return filepath.Join(m.dir, hex.EncodeToString(b[:]))
}

func (s *memStore) Stage(ctx context.Context, _, _ string) (driver.StagedFolder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st := &memStaged{s.m.folder()}
	return st, os.Mkdir(st.dir, 0o777)
}

func (s *memStore) OpenTree(_ context.Context, useCase, model, version string) (driver.Tree, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if held := s.m.models[name]; held != nil {
		if dir, ok := held.trees[version]; ok {
			return memTree(dir), nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name.At(version).String(), Err: fs.ErrNotExist}
}

func (s *memStore) Close() error { return nil }

type memView struct {
	log, document []byte
	note          string
	rev           memRevision
	trees         map[string]string
}

func (v *memView) Note() (string, bool) { return v.note, v.note != "" }

func (v *memView) Tree(version string) (driver.ItemKind, error) {
	dir, ok := v.trees[version]
	switch {
	case !ok:
		return "", nil
	case sealed(dir):
		return driver.ItemTree, nil
	}
	return driver.ItemBare, nil
}

func (v *memView) Document() ([]byte, bool, error) {
	return bytes.Clone(v.document), v.document != nil, nil
}

func (v *memView) DocumentChanged(since driver.Revision) bool {
	rev, ok := since.(memRevision)
	return !ok || rev.document != v.rev.document
}

func (v *memView) Log(from int64) ([]byte, int64, error) {
	end := int64(len(v.log))
	if from < 0 || from > end || from > 0 && v.log[from-1] != '\n' {
		return nil, 0, fmt.Errorf("no line ends at %d in a log of %d bytes: %w", from, end, fs.ErrNotExist)
	}
	return bytes.Clone(v.log[from:]), end, nil
}

func (v *memView) LogEnd() (int64, error) { return int64(len(v.log)), nil }

func (v *memView) LogBefore(end int64, size int) ([]byte, int64, error) {
	if end < 0 || end > int64(len(v.log)) || end > 0 && v.log[end-1] != '\n' {
		return nil, 0, fmt.Errorf("no line ends at %d in a log of %d bytes: %w", end, len(v.log), fs.ErrNotExist)
	}
	lines := bytes.Clone(logformat.LastLines(v.log[:end], size))
	return lines, end - int64(len(lines)), nil
}

func (v *memView) Revision() driver.Revision { return v.rev }

type memStaged struct{ dir string }

func memStagedOf(t driver.StagedTree) *memStaged {
	if st, ok := t.Staged.(*memStagedFiles); ok {
		return st.memStaged
	}
	return t.Staged.(*memStaged)
}

func (st *memStaged) Dir() string                    { return st.dir }
func (st *memStaged) Seal(ctx context.Context) error { return ctx.Err() }
func (st *memStaged) Discard() error                 { return os.RemoveAll(st.dir) }

type memTree string

func (t memTree) Path() string { return string(t) }
func (t memTree) Close() error { return nil }
