package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// treeFiles reads the files of a version in their place.
type treeFiles struct {
	disk Disk
	dir  string // of the tree, relative to the store
}

// ReadTree returns the files of a version.
func (s *Store) ReadTree(ctx context.Context, useCase, model, version string) (driver.TreeFiles, error) {
	if _, err := s.OpenTree(ctx, useCase, model, version); err != nil {
		return nil, err
	}
	d, err := s.disk(false)
	if err != nil {
		return nil, err
	}
	return &treeFiles{d, path.Join(useCase, model, versionsName, version)}, nil
}

func (t *treeFiles) Close() error { return nil }

// Files walks the folder. It follows no symbolic link.
func (t *treeFiles) Files(ctx context.Context) iter.Seq2[driver.TreeFile, error] {
	return func(yield func(driver.TreeFile, error) bool) {
		err := t.walk(ctx, "", func(f driver.TreeFile) bool { return yield(f, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(driver.TreeFile{}, err)
		}
	}
}

// errStopped ends a walk whose caller wants no more files.
var errStopped = errors.New("stopped")

func (t *treeFiles) walk(ctx context.Context, below string, yield func(driver.TreeFile) bool) error {
	entries, err := t.disk.ReadDir(path.Join(t.dir, below))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		file := path.Join(below, e.Name())
		if e.IsDir() {
			if err := t.walk(ctx, file, yield); err != nil {
				return err
			}
			continue
		}
		info, err := t.disk.Lstat(path.Join(t.dir, file))
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return &fsroot.NotRegularError{Path: path.Join(t.dir, file), Mode: info.Mode()}
		}
		if !yield(driver.TreeFile{Path: file, Size: info.Size(), Mode: info.Mode().Perm()}) {
			return errStopped
		}
	}
	return nil
}

// Open opens a file. Each parent must be a folder, not a symbolic link.
func (t *treeFiles) Open(ctx context.Context, file string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !fs.ValidPath(file) {
		return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrInvalid}
	}
	for i := range len(file) {
		if file[i] != '/' {
			continue
		}
		folder := path.Join(t.dir, file[:i])
		if info, err := t.disk.Lstat(folder); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, &fs.PathError{Op: "open", Path: path.Join(t.dir, file), Err: fmt.Errorf("%s is not a folder: %w", folder, fs.ErrNotExist)}
		}
	}
	name := path.Join(t.dir, file)
	named, err := t.disk.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, &fsroot.NotRegularError{Path: name, Mode: named.Mode()}
	}
	f, err := t.disk.OpenRead(name)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(named, opened) {
		err = &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("the file was replaced meanwhile: %w", fs.ErrInvalid)}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
