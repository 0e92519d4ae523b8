package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// ErrBad says that an artifact can't be registered, or that it changed since it
// was registered.
var ErrBad = driver.ErrArtifact

// A Source is where the files of a version come from. The zero value has no
// files.
type Source struct {
	path   string // where the files are, if they are on disk
	put    func(ctx context.Context, dir string, h *Hasher) error
	follow func(root string) Source // see FollowLinks; nil if the source follows no links
}

// Check refuses a source that is missing, before a staging folder is made.
func (s Source) Check() error {
	if s.put == nil {
		return fmt.Errorf("%w: none given", ErrBad)
	}
	if s.path == "" {
		return nil
	}
	if _, err := os.Stat(s.path); err != nil {
		return Bad(err)
	}
	return nil
}

// checkFolder returns an error unless dir is a folder that does not contain to.
func checkFolder(stat func(string) (fs.FileInfo, error), dir, to string) error {
	info, err := stat(dir)
	if err != nil {
		return Bad(err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is %s, not a folder", ErrBad, dir, fsroot.Describe(info.Mode()))
	}
	return checkOutside(dir, to)
}

// FromDir copies a directory.
func FromDir(dir string) Source {
	put := func(ctx context.Context, to string, h *Hasher) error {
		if err := checkFolder(os.Stat, dir, to); err != nil {
			return err
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return Bad(err)
		}
		defer root.Close()
		return h.copyTree(fsroot.FS(root), to)
	}
	return Source{dir, put, func(root string) Source { return linkedDir(dir, root) }}
}

// FromFile copies one file, under its own name.
func FromFile(file string) Source {
	put := func(ctx context.Context, to string, h *Hasher) error {
		f, info, err := fsroot.Open(file)
		return h.copyOpened(f, info, err, file, to)
	}
	return Source{file, put, func(root string) Source { return linkedFile(file, root) }}
}

// copyOpened copies a file that was opened, under its own name, and closes it.
// If it could not be opened, err says why.
func (h *Hasher) copyOpened(f *os.File, info fs.FileInfo, err error, file, to string) error {
	var odd *fsroot.NotRegularError
	if errors.As(err, &odd) {
		return fmt.Errorf("%w: %s is %s, not a file", ErrBad, file, fsroot.Describe(odd.Mode))
	}
	if err != nil {
		return Bad(err)
	}
	defer f.Close()
	if err := checkPath(filepath.Base(file), maxPath); err != nil {
		return err
	}
	h.meter.add(0, 0, info.Size())
	return h.copyFile(f, filepath.Base(file), to)
}

// FromPath copies a directory as FromDir does, or a file as FromFile does.
func FromPath(name string) Source {
	from := func(dir, file Source) Source {
		return Source{path: name, put: func(ctx context.Context, to string, h *Hasher) error {
			info, err := os.Stat(name)
			if err != nil {
				return Bad(err)
			}
			if info.IsDir() {
				return dir.put(ctx, to, h)
			}
			return file.put(ctx, to, h)
		}}
	}
	s := from(FromDir(name), FromFile(name))
	s.follow = func(root string) Source { return from(linkedDir(name, root), linkedFile(name, root)) }
	return s
}

// FromFS copies a file system. Sizes and times of modification show whether its
// files changed meanwhile.
func FromFS(fsys fs.FS) Source {
	if fsys == nil {
		return Source{}
	}
	return Source{put: func(ctx context.Context, to string, h *Hasher) error { return h.copyTree(fsys, to) }}
}

// FromFunc makes a source from a function that saves the model into an empty
// folder. That folder becomes the version's, without a copy.
func FromFunc(save func(dir string) error) Source {
	if save == nil {
		return Source{}
	}
	return Source{put: func(_ context.Context, to string, h *Hasher) error {
		defer h.meter.watch(to)()
		return save(to)
	}}
}

// MoveDir moves a directory into the staging folder, or copies it if it is on
// another file system. GiveBack moves it back.
func MoveDir(dir string) Source {
	return Source{path: dir, put: func(ctx context.Context, to string, h *Hasher) error {
		if err := checkFolder(os.Lstat, dir, to); err != nil {
			return err
		}
		if err := checkNotRegistered(dir); err != nil {
			return err
		}
		s, err := surveyFolder(ctx, dir, maxPath)
		if err != nil {
			return err // fail before the move
		}
		if s.files == 0 {
			return ErrNoFile
		}
		if err := os.Remove(to); err != nil {
			return err
		}
		if os.Rename(dir, to) == nil {
			h.moved = filepath.Clean(dir)
			return nil
		}
		if err := fsroot.MkdirPath(to); err != nil {
			return err
		}
		return FromDir(dir).put(ctx, to, h)
	}}
}

// checkOutside refuses a directory that contains the store, because it would be
// copied into itself.
func checkOutside(dir, to string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return Bad(err)
	}
	for at := filepath.Clean(to); ; at = filepath.Dir(at) {
		if above, err := os.Stat(at); err == nil && os.SameFile(info, above) {
			return fmt.Errorf("%w: %s holds the store itself", ErrBad, dir)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// ErrNoFile says that an artifact holds no file.
var ErrNoFile = fmt.Errorf("%w: it holds no file", ErrBad)

// Bad returns an error that matches ErrBad and err.
func Bad(err error) error { return fmt.Errorf("%w: %w", ErrBad, err) }

// checkEntry refuses an entry that is neither a file nor a folder.
func checkEntry(name string, d fs.DirEntry) error {
	if t := d.Type(); !t.IsRegular() && !t.IsDir() {
		return fmt.Errorf("%w: %s is %s", ErrBad, name, fsroot.Describe(t))
	}
	return nil
}

// checkNotRegistered refuses to move a version's own files away.
func checkNotRegistered(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for at := abs; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ManifestFile)); err == nil && filepath.Base(filepath.Dir(at)) == "versions" {
			return fmt.Errorf("%w: %s belongs to a version that is registered", ErrBad, dir)
		}
	}
	return nil
}
