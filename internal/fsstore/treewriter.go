package fsstore

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/stagedfiles"
)

// A stagedFiles is a tree whose files are written through the store's disk.
type stagedFiles struct {
	*Staged
	list stagedfiles.List
}

// StageFiles begins a tree.
func (s *Store) StageFiles(ctx context.Context, useCase, model string) (driver.StagedFiles, error) {
	st, err := s.Stage(ctx, useCase, model)
	if err != nil {
		return nil, err
	}
	return &stagedFiles{Staged: st.(*Staged)}, nil
}

// Create begins a file in the tree. Seal syncs it.
func (st *stagedFiles) Create(ctx context.Context, f driver.TreeFile) (io.WriteCloser, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return st.list.Create(f.Path, f.Size, func() (stagedfiles.Writer, error) {
		name := path.Join(st.tree(), f.Path)
		if err := makeFolders(st.disk, st.tree(), path.Dir(f.Path)); err != nil {
			return nil, err
		}
		at, err := st.disk.Stamp(name)
		if err == nil && at.Exists { // the file system treats two names as one
			err = &fs.PathError{Op: "create", Path: name, Err: fmt.Errorf("another file has this name in another spelling: %w", fs.ErrExist)}
		}
		if err != nil {
			return nil, err
		}
		out, err := st.disk.Open(name)
		if err != nil {
			return nil, err
		}
		return &treeFileWriter{io.NewOffsetWriter(out, 0), out, f.Mode}, nil
	})
}

// makeFolders makes the folders of a file below a tree. Seal syncs them.
func makeFolders(d Disk, tree, dir string) error {
	if dir == "." {
		return nil
	}
	name := path.Join(tree, dir)
	if info, err := d.Lstat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := makeFolders(d, tree, path.Dir(dir)); err != nil {
		return err
	}
	return d.Mkdir(name)
}

// Seal makes the files durable if all of them are complete.
func (st *stagedFiles) Seal(ctx context.Context) error {
	if err := st.list.Seal(); err != nil {
		return err
	}
	return st.Staged.Seal(ctx)
}

// Discard closes the files that are open, and removes the tree.
func (st *stagedFiles) Discard() error {
	st.list.Discard()
	return st.Staged.Discard()
}

type treeFileWriter struct {
	io.Writer
	file File
	mode fs.FileMode
}

// Close sets the mode, as far as the file system lets it. The owner may always
// read a file, because the store must read it.
func (w *treeFileWriter) Close() error {
	_ = w.file.Chmod(w.mode | 0o400)
	return w.file.Close()
}

func (w *treeFileWriter) Abort() error { return w.file.Close() }
