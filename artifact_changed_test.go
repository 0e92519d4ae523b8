package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A watchedFS calls a function before each read of a file, with the offset.
type watchedFS struct {
	fs.FS
	before func(name string, offset int64)
}

func (w watchedFS) Open(name string) (fs.File, error) {
	f, err := w.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	return &watchedFile{f, w, name, 0}, nil
}

type watchedFile struct {
	fs.File
	fs     watchedFS
	name   string
	offset int64
}

func (f *watchedFile) Read(p []byte) (int, error) {
	f.fs.before(f.name, f.offset)
	n, err := f.File.Read(p)
	f.offset += int64(n)
	return n, err
}

// An askedContext calls a function whenever it is asked whether it ended, as it
// is between the files and the parts of a copy.
type askedContext struct {
	context.Context
	asked func()
}

func (c *askedContext) Err() error {
	c.asked()
	return c.Context.Err()
}

// staged returns the size of a file of the only version that is being
// registered, -1 if it is not there yet.
func staged(t testing.TB, store, name string) int64 {
	t.Helper()
	found, err := filepath.Glob(modelPath(store, ".staging", "*", "*", "model", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if info, err := os.Stat(name); err == nil {
			return info.Size()
		}
	}
	return -1
}

// overwrite writes other bytes over those of a file, without changing its size.
func overwrite(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{'B'}, int(info.Size())), 0)
	}
	return errors.Join(err, f.Close())
}

func appendTo(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("more")
	return errors.Join(err, f.Close())
}

// nextTick returns when the clock of a folder's file system has gone on, so
// that what is written then has another time than what was written before.
func nextTick(t testing.TB, dir string) {
	t.Helper()
	name := filepath.Join(dir, "clock")
	defer os.Remove(name)
	stamp := func() time.Time {
		writeFile(t, name, "")
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	for first := stamp(); !stamp().After(first); {
	}
}

// wantChanged checks that a registration failed because a file changed, and
// that the error names it.
func wantChanged(t testing.TB, err error, name, doing string) {
	t.Helper()
	wantError(t, err, "register", fraud, "", mr.ErrArtifact)
	if want := name + " changed while it was " + doing + ": "; err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
}

// Any change to a file of a tree fails its registration, at every moment of the
// copy.
func TestTreeThatChangesWhileItIsCopied(t *testing.T) {
	t.Parallel()
	changes := map[string]struct {
		do    func(dir string) error
		names string
	}{
		"overwritten": {func(dir string) error { return overwrite(filepath.Join(dir, "b")) }, "b"},
		"grown":       {func(dir string) error { return appendTo(filepath.Join(dir, "b")) }, "b"},
		"cut":         {func(dir string) error { return os.Truncate(filepath.Join(dir, "b"), 500) }, "b"},
		"written again": {func(dir string) error {
			name := filepath.Join(dir, "b")
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, bytes.Repeat([]byte{'B'}, int(info.Size())), 0o666)
		}, "b"},
		"replaced": {func(dir string) error {
			next := filepath.Join(dir, "..", "next")
			return errors.Join(os.WriteFile(next, []byte("next"), 0o666), os.Rename(next, filepath.Join(dir, "b")))
		}, "b"},
		"a file before it": {func(dir string) error { return overwrite(filepath.Join(dir, "a")) }, "a"},
		"a file after it":  {func(dir string) error { return overwrite(filepath.Join(dir, "c", "d")) }, "c/d"},
		"a file added":     {func(dir string) error { return os.WriteFile(filepath.Join(dir, "new"), nil, 0o666) }, "new"},
		"a file removed":   {func(dir string) error { return os.Remove(filepath.Join(dir, "a")) }, "a"},
	}
	if runtime.GOOS == "windows" { // which keeps a file that is open
		delete(changes, "replaced")
	} else { // Windows does not tell when a file was changed
		changes["overwritten, and dated back"] = struct {
			do    func(dir string) error
			names string
		}{func(dir string) error {
			name := filepath.Join(dir, "b")
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			return errors.Join(overwrite(name), os.Chtimes(name, time.Time{}, info.ModTime()))
		}, "b"}
	}
	for size, bytesOf := range map[string]int{"small": 1000, "large": 200 << 10} {
		for moment, at := range map[string]int{"before its first byte": 0, "before its last read": bytesOf} {
			for what, change := range changes {
				t.Run(size+", "+what+" "+moment, func(t *testing.T) {
					t.Parallel()
					dir := filepath.Join(t.TempDir(), "model")
					for _, name := range []string{"a", "b", "c/d"} {
						writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), strings.Repeat("A", bytesOf))
					}
					r, store := newStore(t, nil)
					register(t, r, "1.0.0", nil)
					check := unchanged(t, store)
					once := sync.OnceFunc(func() {
						if err := change.do(dir); err != nil {
							t.Error(err)
						}
					})
					_, err := r.Register(t.Context(), fraud, mr.FromFS(watchedFS{os.DirFS(dir), func(name string, offset int64) {
						if name == "b" && offset >= int64(at) {
							once()
						}
					}}), nil)
					wantChanged(t, err, change.names, "copied")
					check()
				})
			}
		}
	}
}

// A file that has more or fewer bytes than its stat says fails the
// registration, also if its stat stays the same.
func TestFileThatIsNotAsLargeAsItSays(t *testing.T) {
	t.Parallel()
	for what, size := range map[string]int64{"short": -1, "long": 1, "endless": 1 << 62} {
		for _, said := range []int64{1000, 64 << 10, 9 << 20} {
			r, store := newStore(t, nil)
			_, err := r.Register(t.Context(), fraud, mr.FromFS(liarFS{fstest.MapFS{"weights.bin": {Mode: 0o444}}, said, said + size}), nil)
			wantChanged(t, err, "weights.bin", "copied")
			if got := listing(t, store); len(got) > 0 {
				t.Errorf("%s, %d bytes: files that are left: %v", what, said, got)
			}
		}
	}
}

// A liarFS has files that say one size and hold another.
type liarFS struct {
	fstest.MapFS
	said, held int64
}

func (l liarFS) Open(name string) (fs.File, error) {
	f, err := l.MapFS.Open(name)
	if name == "." || err != nil {
		return f, err
	}
	return &liarFile{f, l.said, l.held}, nil
}

type liarFile struct {
	fs.File
	said, left int64
}

func (f *liarFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return liarInfo{info, f.said}, err
}

func (f *liarFile) Read(p []byte) (int, error) {
	if f.left == 0 {
		return f.File.Read(p) // the end
	}
	n := min(int64(len(p)), f.left)
	f.left -= n
	return int(n), nil
}

type liarInfo struct {
	fs.FileInfo
	said int64
}

func (l liarInfo) Size() int64 { return l.said }

// Each source on disk notices a file that changes in the middle of a copy.
func TestSourceThatChangesWhileItIsCopied(t *testing.T) {
	t.Parallel()
	const size = 9 << 20 // two parts
	for what, from := range map[string]func(dir string) mr.Artifact{
		"FromDir":          mr.FromDir,
		"FromFile":         func(dir string) mr.Artifact { return mr.FromFile(filepath.Join(dir, "weights.bin")) },
		"FromPath, folder": mr.FromPath,
		"FromPath, file":   func(dir string) mr.Artifact { return mr.FromPath(filepath.Join(dir, "weights.bin")) },
	} {
		for change, do := range map[string]func(name string) error{
			"overwritten": overwrite, "grown": appendTo, "cut": func(name string) error { return os.Truncate(name, size/2) },
		} {
			t.Run(what+", "+change, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, "weights.bin"), strings.Repeat("A", size))
				r, store := newStore(t, nil)
				err := changeInCopy(t, r, store, dir, from(dir), do)
				wantChanged(t, err, "weights.bin", "copied")
				if got := listing(t, store); len(got) > 0 {
					t.Errorf("files that are left: %v", got)
				}
			})
		}
	}
}

// changeInCopy registers an artifact and changes its weights.bin when a part of
// it was copied.
func changeInCopy(t *testing.T, r *mr.ModelRegistry, store, dir string, a mr.Artifact, change func(name string) error) error {
	t.Helper()
	var mu sync.Mutex // files are hashed and synced beside their copies
	changed := false
	ctx := &askedContext{t.Context(), func() {
		mu.Lock()
		defer mu.Unlock()
		if !changed && staged(t, store, "weights.bin") > 0 {
			changed = true
			if err := change(filepath.Join(dir, "weights.bin")); err != nil {
				t.Error(err)
			}
		}
	}}
	_, err := r.Register(ctx, fraud, a, nil)
	if !changed {
		t.Error("the file was not changed in the middle of its copy")
	}
	return err
}

// A file that is replaced by a rename is copied as it was before.
func TestFileThatIsReplacedWhileItIsCopied(t *testing.T) {
	t.Parallel()
	notOnWindows(t)
	dir := t.TempDir()
	file, want := filepath.Join(dir, "weights.bin"), strings.Repeat("A", 9<<20)
	writeFile(t, file, want)
	r, store := newStore(t, nil)
	err := changeInCopy(t, r, store, dir, mr.FromFile(file), func(name string) error {
		return errors.Join(os.WriteFile(name+".next", []byte("next"), 0o666), os.Rename(name+".next", name))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, modelPath(store, "versions", "1.0.0", "model"))["weights.bin"]; got != want {
		t.Errorf("the version holds %d bytes, %.10q…", len(got), got)
	}
}
