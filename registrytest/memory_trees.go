package registrytest

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/stagedfiles"
)

// Trees of a store in memory, read and written as streams.

type memTreeFiles string

func (s *memStore) ReadTree(ctx context.Context, useCase, model, version string) (driver.TreeFiles, error) {
	tree, err := s.OpenTree(ctx, useCase, model, version)
	if err != nil {
		return nil, err
	}
	return memTreeFiles(tree.Path()), tree.Close()
}

func (t memTreeFiles) Close() error { return nil }

func (t memTreeFiles) Files(ctx context.Context) iter.Seq2[driver.TreeFile, error] {
	return func(yield func(driver.TreeFile, error) bool) {
		err := fs.WalkDir(os.DirFS(string(t)), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && !info.Mode().IsRegular() {
				err = &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
			}
			if err == nil && !yield(driver.TreeFile{Path: name, Size: info.Size(), Mode: info.Mode().Perm()}, nil) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(driver.TreeFile{}, err)
		}
	}
}

func (t memTreeFiles) Open(ctx context.Context, file string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for f, err := range t.Files(ctx) {
		if err != nil {
			return nil, err
		}
		if f.Path == file {
			return os.Open(filepath.Join(string(t), filepath.FromSlash(file)))
		}
	}
	return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
}

// A memStagedFiles is a tree whose files are written one by one.
type memStagedFiles struct {
	*memStaged
	list stagedfiles.List
}

func (s *memStore) StageFiles(ctx context.Context, useCase, model string) (driver.StagedFiles, error) {
	st, err := s.Stage(ctx, useCase, model)
	if err != nil {
		return nil, err
	}
	return &memStagedFiles{memStaged: st.(*memStaged)}, nil
}

func (st *memStagedFiles) Create(ctx context.Context, f driver.TreeFile) (io.WriteCloser, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return st.list.Create(f.Path, f.Size, func() (stagedfiles.Writer, error) {
		if err := os.MkdirAll(filepath.Join(st.dir, filepath.FromSlash(path.Dir(f.Path))), 0o777); err != nil {
			return nil, err
		}
		out, err := os.OpenFile(filepath.Join(st.dir, filepath.FromSlash(f.Path)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		return memWriter{out, f.Mode | 0o400}, err
	})
}

func (st *memStagedFiles) Seal(ctx context.Context) error {
	if err := st.list.Seal(); err != nil {
		return err
	}
	return st.memStaged.Seal(ctx)
}

func (st *memStagedFiles) Discard() error {
	st.list.Discard()
	return st.memStaged.Discard()
}

type memWriter struct {
	*os.File
	mode fs.FileMode
}

func (w memWriter) Close() error {
	if err := w.Chmod(w.mode); err != nil {
		w.File.Close()
		return err
	}
	return w.File.Close()
}

func (w memWriter) Abort() error { return w.File.Close() }
