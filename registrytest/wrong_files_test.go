package registrytest_test

import (
	"context"
	"io"
	"iter"
	"path"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// Stores that are wrong in streaming trees, in Look, or in finding artifacts.

// forgettingManifest does not yield the manifest.
type forgettingManifest struct{ mr.Store }

type filesWithoutManifest struct{ driver.TreeFiles }

func (s forgettingManifest) ReadTree(ctx context.Context, useCase, model, version string) (driver.TreeFiles, error) {
	tree, err := s.Store.(driver.TreeReader).ReadTree(ctx, useCase, model, version)
	return filesWithoutManifest{tree}, err
}

func (t filesWithoutManifest) Files(ctx context.Context) iter.Seq2[driver.TreeFile, error] {
	return func(yield func(driver.TreeFile, error) bool) {
		for f, err := range t.TreeFiles.Files(ctx) {
			if f.Path != "manifest.json" && !yield(f, err) {
				return
			}
		}
	}
}

// halfFetching reports only half of a download.
type halfFetching struct {
	mr.Store
	driver.TreeReader
}

func (s halfFetching) CachedTree(ctx context.Context, useCase, model, version string) (driver.Tree, driver.TreeFiles, error) {
	tree, err := s.OpenTree(ctx, useCase, model, version)
	return tree, nil, err
}

func (s halfFetching) FetchTree(ctx context.Context, useCase, model, version string, progress func(done, total int64)) (driver.Tree, error) {
	progress(0, 10)
	progress(5, 10)
	return s.OpenTree(ctx, useCase, model, version)
}

// filing writes trees through a wrong writer, which wrap makes of a sound one.
type filing struct {
	mr.Store
	wrap func(driver.StagedFiles) driver.StagedFiles
}

// wrongFiles is a tree that filing has wrapped.
type wrongFiles struct {
	driver.StagedFiles
	sound driver.Staged
}

func (s filing) StageFiles(ctx context.Context, useCase, model string) (driver.StagedFiles, error) {
	st, err := s.Store.(driver.TreeWriter).StageFiles(ctx, useCase, model)
	if err != nil {
		return nil, err
	}
	return wrongFiles{s.wrap(st), st}, nil
}

func (s filing) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Store.Append(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c != nil {
			for i, t := range c.Trees {
				if w, ok := t.Staged.(wrongFiles); ok {
					c.Trees[i].Staged = w.sound
				}
			}
		}
		return c, err
	})
}

// blanking writes the right number of bytes, but other bytes.
type blanking struct{ driver.StagedFiles }

type blankWriter struct{ io.WriteCloser }

func (st blanking) Create(ctx context.Context, f driver.TreeFile) (io.WriteCloser, error) {
	w, err := st.StagedFiles.Create(ctx, f)
	if err != nil {
		return nil, err
	}
	return blankWriter{w}, nil
}

func (w blankWriter) Write(p []byte) (int, error) { return w.WriteCloser.Write(make([]byte, len(p))) }

// hasty seals a tree in any state.
type hasty struct{ driver.StagedFiles }

func (st hasty) Seal(ctx context.Context) error {
	_ = st.StagedFiles.Seal(ctx)
	return nil
}

// tidying turns a bad path into a good one.
type tidying struct{ driver.StagedFiles }

func (st tidying) Create(ctx context.Context, f driver.TreeFile) (io.WriteCloser, error) {
	f.Path = path.Clean(f.Path)
	return st.StagedFiles.Create(ctx, f)
}

// hoarding discards nothing.
type hoarding struct{ driver.StagedFiles }

func (hoarding) Discard() error { return nil }

// unseeing is a Looker that never reports a change.
type unseeing struct{ mr.Store }

func (unseeing) Look(context.Context, string, string, driver.Revision) (driver.View, error) {
	return nil, nil
}

// presuming reports an artifact for every version.
type presuming struct{ mr.Store }

type presumingTree struct{ driver.Tree }

func (s presuming) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	tree, err := s.Store.OpenTree(ctx, useCase, model, version)
	if err != nil {
		return nil, err
	}
	return presumingTree{tree}, nil
}

func (t presumingTree) Artifact() string { return t.Path() + "/model" }
