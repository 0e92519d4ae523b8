package modelregistry_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

func TestFolderStoreConforms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() (mr.Store, error) { return mr.NewFolderStore(dir, nil) }
	write := func(name mr.ModelName, document []byte) error {
		return os.WriteFile(filepath.Join(dir, name.UseCase, name.Model, "registry.json"), document, 0o666)
	}
	registrytest.TestStore(t, open, &registrytest.StoreOptions{Lossy: registrytest.LossyByFaults(open), LoseIndex: loseIndex(dir), WriteDocument: write})
}

// loseIndex returns what takes log and document of a model in a folder away.
func loseIndex(dir string) func(mr.ModelName) error {
	return func(name mr.ModelName) error {
		model := filepath.Join(dir, name.UseCase, name.Model)
		document := os.Remove(filepath.Join(model, "registry.json"))
		if errors.Is(document, fs.ErrNotExist) {
			document = nil
		}
		return errors.Join(document, os.Remove(filepath.Join(model, "history.jsonl")))
	}
}

// lateStore asks for a document when others may have appended already, as a
// store without a lock does.
type lateStore struct {
	mr.Store
	between func()
}

func (s *lateStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	var late *driver.Checkpoint
	done, err := s.Store.Append(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return nil, err
		}
		late = c.Checkpoint
		return &driver.Commit{Trees: c.Trees, Lines: c.Lines}, nil
	})
	if late == nil || err != nil {
		return done, err
	}
	s.between()
	doc, note := late.Make(done.End)
	_, err = s.Store.Append(ctx, useCase, model, func(driver.View) (*driver.Commit, error) {
		return &driver.Commit{Checkpoint: &driver.Checkpoint{Make: func(int64) (io.WriterTo, string) { return doc, note }}}, nil
	})
	done.DocumentErr = mr.ErrOvertaken
	return done, err
}

// Invariant 12: a document names the event that it includes, also if another
// change was read before it was written.
func TestDocumentOvertaken(t *testing.T) {
	t.Parallel()
	memory := registrytest.NewMemory(t)
	other := mr.New(memory.Open(), nil)
	late := &lateStore{Store: memory.Open(), between: func() {}}
	r := mr.New(late, nil)
	register(t, r, "1.0.0", nil)
	late.between = func() {
		register(t, other, "1.0.2", nil)
		stagesOf(t, r)
	}
	register(t, r, "1.0.1", nil)
	late.between = func() {}
	want := map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development}
	wantStages(t, registrytest.NewOn(t, memory.Open(), nil), want)
	wantStages(t, r, want)
}
