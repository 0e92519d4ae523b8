package registrytest

import (
	"context"
	"io"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// A faultTrees is a faultStore that reads and writes trees as streams.
type faultTrees struct {
	*faultStore
	reader driver.TreeReader
	writer driver.TreeWriter
}

func (f *faultTrees) ReadTree(ctx context.Context, useCase, model, version string) (driver.TreeFiles, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	lost, err := f.before(ctx, "ReadTree", name)
	if err != nil {
		return nil, err
	}
	files, err := f.reader.ReadTree(ctx, useCase, model, version)
	if err != nil {
		return nil, err
	}
	if lost != nil {
		files.Close()
		return nil, lost
	}
	return &faultTreeFiles{files, f.faultStore, name}, nil
}

func (f *faultTrees) StageFiles(ctx context.Context, useCase, model string) (driver.StagedFiles, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	lost, err := f.before(ctx, "StageFiles", name)
	if err != nil {
		return nil, err
	}
	st, err := f.writer.StageFiles(ctx, useCase, model)
	if err != nil {
		return nil, err
	}
	if lost != nil {
		st.Discard()
		return nil, lost
	}
	return &faultStagedFiles{st, f.faultStore, name}, nil
}

type faultTreeFiles struct {
	driver.TreeFiles
	f    *faultStore
	name mr.ModelName
}

func (t *faultTreeFiles) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	lost, err := t.f.before(ctx, "Open", t.name)
	if err != nil {
		return nil, err
	}
	r, err := t.TreeFiles.Open(ctx, path)
	if err == nil && lost != nil {
		r.Close()
		return nil, lost
	}
	return r, err
}

type faultStagedFiles struct {
	driver.StagedFiles
	f    *faultStore
	name mr.ModelName
}

// Create leaves the file open if its answer is lost.
func (st *faultStagedFiles) Create(ctx context.Context, file driver.TreeFile) (w io.WriteCloser, err error) {
	lost, err := st.f.before(ctx, "Create", st.name)
	if err != nil {
		return nil, err
	}
	if w, err = st.StagedFiles.Create(ctx, file); err == nil && lost != nil {
		return nil, lost
	}
	return w, err
}

func (st *faultStagedFiles) Seal(ctx context.Context) error {
	return st.f.around(ctx, "Seal", st.name, func() error { return st.StagedFiles.Seal(ctx) })
}

// withoutFaults returns the tree that the store itself made.
func withoutFaults(st driver.Staged) driver.Staged {
	if files, ok := st.(*faultStagedFiles); ok {
		return files.StagedFiles
	}
	return st.(*faultStaged).StagedFolder
}
