package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// Names inside a version's tree.
const (
	modelDir     = "model"
	manifestFile = "manifest.json"
	metadataFile = "metadata.json"
	metricsFile  = "metrics.json"
)

// An Artifact is where the files of a version come from. It holds regular files
// and folders, at least one file; the registry never looks inside them.
//
// A file that is written to, added or removed while the artifact is registered
// fails the registration with ErrArtifact, which names the file. So does a file
// name that not every store can keep: one that is not UTF-8, ends in a dot or
// holds a control character or one of \ " # % ?.
type Artifact struct {
	path string // where the files are, if they are on disk
	put  func(ctx context.Context, dir string, in *intake) error
}

// check refuses an artifact that is plainly missing, before anything is made for
// it.
func (a Artifact) check() error {
	if a.put == nil {
		return fmt.Errorf("%w: none given", ErrArtifact)
	}
	if a.path == "" {
		return nil
	}
	if _, err := os.Stat(a.path); err != nil {
		return badArtifact(err)
	}
	return nil
}

// FromDir copies a directory.
func FromDir(dir string) Artifact {
	return Artifact{dir, func(ctx context.Context, to string, in *intake) error {
		info, err := os.Stat(dir)
		if err != nil {
			return badArtifact(err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is %s, not a folder", ErrArtifact, dir, fsroot.Describe(info.Mode()))
		}
		if err := outside(dir, to); err != nil {
			return err
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return badArtifact(err)
		}
		defer root.Close()
		return in.copyTree(fsroot.FS(root), to)
	}}
}

// FromFile copies one file, under its own name.
func FromFile(file string) Artifact {
	return Artifact{file, func(ctx context.Context, to string, in *intake) error {
		f, info, err := fsroot.Open(file)
		var odd *fsroot.NotRegularError
		if errors.As(err, &odd) {
			return fmt.Errorf("%w: %s is %s, not a file", ErrArtifact, file, fsroot.Describe(odd.Mode))
		}
		if err != nil {
			return badArtifact(err)
		}
		defer f.Close()
		if err := checkPath(filepath.Base(file), maxPath); err != nil {
			return err
		}
		in.meter.add(0, 0, info.Size())
		return in.copyFile(f, filepath.Base(file), to)
	}}
}

// FromPath copies a directory as FromDir does, or a file as FromFile does.
func FromPath(name string) Artifact {
	return Artifact{name, func(ctx context.Context, to string, in *intake) error {
		info, err := os.Stat(name)
		if err != nil {
			return badArtifact(err)
		}
		if info.IsDir() {
			return FromDir(name).put(ctx, to, in)
		}
		return FromFile(name).put(ctx, to, in)
	}}
}

// FromFS copies a file system: an embed.FS, an fstest.MapFS, an open archive.
// Its files tell by their size and time of modification that they did not change.
func FromFS(fsys fs.FS) Artifact {
	if fsys == nil {
		return Artifact{}
	}
	return Artifact{put: func(ctx context.Context, to string, in *intake) error { return in.copyTree(fsys, to) }}
}

// FromFunc lets the model save itself into an empty folder, which then becomes
// the version's without being copied. If save fails or panics, nothing is left
// of it. When save returns, nothing may write to the folder any more.
func FromFunc(save func(dir string) error) Artifact {
	if save == nil {
		return Artifact{}
	}
	return Artifact{put: func(_ context.Context, to string, in *intake) error {
		defer in.meter.watch(to)()
		return save(to)
	}}
}

// MoveDir moves a directory into the store: by a rename, if it is on the store's
// file system, else by a copy, after which the original stays. If the
// registration fails, the directory is moved back, unless the error matches
// ErrUncertain.
func MoveDir(dir string) Artifact {
	return Artifact{dir, func(ctx context.Context, to string, in *intake) error {
		info, err := os.Lstat(dir)
		if err != nil {
			return badArtifact(err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is %s, not a folder", ErrArtifact, dir, fsroot.Describe(info.Mode()))
		}
		if err := outside(dir, to); err != nil {
			return err
		}
		if err := notRegistered(dir); err != nil {
			return err
		}
		s, err := surveyFolder(ctx, dir, maxPath)
		if err != nil {
			return err // before it is moved
		}
		if s.files == 0 {
			return errNoFile
		}
		if err := os.Remove(to); err != nil {
			return err
		}
		if os.Rename(dir, to) == nil {
			in.moved = filepath.Clean(dir)
			return nil
		}
		if err := os.Mkdir(to, 0o777); err != nil {
			return err
		}
		return FromDir(dir).put(ctx, to, in)
	}}
}

// outside refuses a directory that holds the store: it would be copied into
// itself.
func outside(dir, to string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return badArtifact(err)
	}
	for at := filepath.Clean(to); ; at = filepath.Dir(at) {
		if above, err := os.Stat(at); err == nil && os.SameFile(info, above) {
			return fmt.Errorf("%w: %s holds the store itself", ErrArtifact, dir)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

var errNoFile = fmt.Errorf("%w: it holds no file", ErrArtifact)

func badArtifact(err error) error { return fmt.Errorf("%w: %w", ErrArtifact, err) }

// checkEntry refuses what is neither a file nor a folder.
func checkEntry(name string, d fs.DirEntry) error {
	if t := d.Type(); !t.IsRegular() && !t.IsDir() {
		return fmt.Errorf("%w: %s is %s", ErrArtifact, name, fsroot.Describe(t))
	}
	return nil
}

// notRegistered refuses to move a version's own files away.
func notRegistered(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for at := abs; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, manifestFile)); err == nil && filepath.Base(filepath.Dir(at)) == "versions" {
			return fmt.Errorf("%w: %s belongs to a version that is registered", ErrArtifact, dir)
		}
	}
	return nil
}
