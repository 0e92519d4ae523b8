package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
			return fmt.Errorf("%w: %s is not a directory", ErrArtifact, dir)
		}
		if err := outside(dir, to); err != nil {
			return err
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return badArtifact(err)
		}
		defer root.Close()
		return copyTree(ctx, root.FS(), to, in)
	}}
}

// FromFile copies one file, under its own name.
func FromFile(file string) Artifact {
	return Artifact{file, func(ctx context.Context, to string, in *intake) error {
		info, err := os.Stat(file)
		if err != nil {
			return badArtifact(err)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%w: %s is %s, not a file", ErrArtifact, file, describe(info.Mode()))
		}
		f, err := os.Open(file)
		if err != nil {
			return badArtifact(err)
		}
		defer f.Close()
		in.meter.add(0, 0, info.Size())
		return in.copyFile(f, filepath.Join(to, filepath.Base(file)), info)
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
func FromFS(fsys fs.FS) Artifact {
	if fsys == nil {
		return Artifact{}
	}
	return Artifact{put: func(ctx context.Context, to string, in *intake) error { return copyTree(ctx, fsys, to, in) }}
}

// FromFunc lets the model save itself into an empty folder, which then becomes
// the version's without being copied. If save fails or panics, nothing is left
// of it.
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
// file system, else by a copy, after which the original stays. It is gone even if
// the registration then fails.
func MoveDir(dir string) Artifact {
	return Artifact{dir, func(ctx context.Context, to string, in *intake) error {
		info, err := os.Lstat(dir)
		if err != nil {
			return badArtifact(err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is %s, not a directory", ErrArtifact, dir, describe(info.Mode()))
		}
		if err := outside(dir, to); err != nil {
			return err
		}
		if err := notRegistered(dir); err != nil {
			return err
		}
		if err := checkTree(ctx, dir); err != nil {
			return err // before it is moved
		}
		if err := os.Remove(to); err != nil {
			return err
		}
		if os.Rename(dir, to) == nil {
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

func describe(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	}
	return "no regular file"
}

// checkEntry refuses what is neither a file nor a folder.
func checkEntry(name string, d fs.DirEntry) error {
	if t := d.Type(); !t.IsRegular() && !t.IsDir() {
		return fmt.Errorf("%w: %s is %s", ErrArtifact, name, describe(t))
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

func checkTree(ctx context.Context, dir string) error {
	files := 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return badArtifact(err)
		}
		if !d.IsDir() {
			files++
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err == nil && files == 0 {
		return errNoFile
	}
	return err
}

func copyTree(ctx context.Context, fsys fs.FS, to string, in *intake) error {
	if in.meter != nil {
		if err := in.measure(fsys); err != nil {
			return err
		}
	}
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return badArtifact(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) { // what a file system of the caller's calls its files
			return fmt.Errorf("%w: %q leaves the artifact", ErrArtifact, name)
		}
		target := filepath.Join(to, filepath.FromSlash(name))
		if d.IsDir() {
			if name == "." {
				return nil
			}
			return os.Mkdir(target, 0o777)
		}
		f, err := fsys.Open(name)
		if err != nil {
			return badArtifact(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return badArtifact(err)
		}
		if !info.Mode().IsRegular() { // swapped since it was listed
			return fmt.Errorf("%w: %s is %s", ErrArtifact, name, describe(info.Mode()))
		}
		return in.copyFile(f, target, info)
	})
}

// copyChunk is how much is copied between two looks at the context, and how far
// the hash of a file is behind its copy.
const copyChunk = 8 << 20

func (in *intake) copyFile(from io.Reader, target string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if mode == 0 { // an fstest.MapFile has none
		mode = 0o666
	}
	if info.Size() < followFrom {
		return in.copySmall(from, target, mode)
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return err
	}
	t := in.follow(target, info.Size())
	defer t.end()
	return errors.Join(in.copyRest(from, out, t), out.Close())
}

// copyRest copies what from has left.
func (in *intake) copyRest(from io.Reader, out *os.File, t *trail) error {
	for {
		if err := in.ctx.Err(); err != nil {
			return err
		}
		// From file to file the kernel does it, and may share the blocks.
		n, err := io.CopyN(out, from, copyChunk)
		t.advance(n)
		in.meter.add(n, 0, 0)
		if n < copyChunk && (err == nil || err == io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// copySmall copies a file that is hashed on the way, as the file that it will be: nobody may write to it.
func (in *intake) copySmall(from io.Reader, target string, mode fs.FileMode) (err error) {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, readOnly(mode))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buf := smallBuffers.Get().(*[followFrom]byte)
	defer smallBuffers.Put(buf)
	n, err := io.ReadFull(from, buf[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	if _, err := out.Write(buf[:n]); err != nil {
		return err
	}
	in.meter.add(int64(n), 0, 0)
	if n == len(buf) { // it grew since it was looked at
		if err := in.copyRest(from, out, nil); err != nil {
			return err
		}
		in.note(target, fileSum{})
		return nil
	}
	in.meter.add(0, int64(n), 0)
	in.note(target, sumOf(buf[:n]))
	return nil
}

// measure adds up what is to be copied.
func (in *intake) measure(fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return badArtifact(err)
		}
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return badArtifact(err)
			}
			in.meter.add(0, 0, info.Size())
		}
		return in.ctx.Err()
	})
}
