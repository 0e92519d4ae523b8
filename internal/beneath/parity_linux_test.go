//go:build amd64 || arm64

package beneath_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/beneath"
)

// strange are names that can go wrong, in the folder that strangeFolder makes.
var strange = []string{
	"", ".", "..", "/", "file", "file/", "./file", "file/.", "file/x", "//file", "file\x00",
	"full", "full/", "full/.", "full/..", "full/../file", "full/in", "full//in", "empty", "empty/", "a..b", "..a",
	"missing", "missing/", "missing/x", "missing/../file", "link", "link/", "dir", "dir/", "dir/..", "dir/../file", "dangling", "loop", "loop/x", "fifo",
	"../x", "/etc", strings.Repeat("n", 255), strings.Repeat("n", 256), strings.Repeat("d/", 2100) + "x",
}

func strangeFolder(t *testing.T) *beneath.Dir {
	t.Helper()
	d, err := beneath.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	in := func(name string) string { return filepath.Join(d.Path(), name) }
	if err := errors.Join(
		d.WriteFile("file", []byte("file"), 0o644),
		d.Mkdir("full", 0o777), d.Mkdir("full/sub", 0o777), d.WriteFile("full/in", []byte("in"), 0o644),
		d.Mkdir("empty", 0o777),
		d.WriteFile("a..b", []byte("dots"), 0o644),
		os.Symlink("file", in("link")), os.Symlink("full/sub", in("dir")), os.Symlink("nowhere", in("dangling")), os.Symlink("loop", in("loop")),
		syscall.Mkfifo(in("fifo"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	if err := d.OpenRoot(); err != nil { // before descriptors are counted
		t.Fatal(err)
	}
	return d
}

// tree describes all that is in a folder.
func tree(t *testing.T, d *beneath.Dir) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(os.DirFS(d.Path()), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		var data []byte
		if e.Type().IsRegular() {
			data, err = os.ReadFile(filepath.Join(d.Path(), name))
		}
		fmt.Fprintln(&b, name, info.Mode(), string(data), info.ModTime().Year() == 2001)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// alike reports whether two errors are the same for a caller.
func alike(a, b error) bool {
	return (a == nil) == (b == nil) && errors.Is(a, fs.ErrNotExist) == errors.Is(b, fs.ErrNotExist) && errors.Is(a, fs.ErrExist) == errors.Is(b, fs.ErrExist)
}

// Whatever the name, what the system does is what os.Root does, and no descriptor stays open. The test
// counts them, and so runs alone.
func TestSameAsRoot(t *testing.T) {
	opens := func(flag int) func(d *beneath.Dir, name string) error {
		return func(d *beneath.Dir, name string) error {
			f, err := d.OpenFile(name, flag|syscall.O_NONBLOCK, 0o640)
			if err == nil {
				err = f.Close()
			}
			return err
		}
	}
	ops := map[string]func(d *beneath.Dir, name string) error{
		"open":      opens(os.O_RDONLY),
		"write":     opens(os.O_WRONLY | os.O_CREATE | os.O_TRUNC),
		"make":      opens(os.O_WRONLY | os.O_CREATE | os.O_EXCL),
		"mkdir":     func(d *beneath.Dir, name string) error { return d.Mkdir(name, 0o777) },
		"mkdir 700": func(d *beneath.Dir, name string) error { return d.Mkdir(name, 0o700) },
		"remove":    func(d *beneath.Dir, name string) error { return d.Remove(name) },
		"stat":      func(d *beneath.Dir, name string) error { _, err := d.Stat(name); return err },
		"lstat":     func(d *beneath.Dir, name string) error { _, err := d.Lstat(name); return err },
		"set time": func(d *beneath.Dir, name string) error {
			f, err := d.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				return err
			}
			return errors.Join(f.SetTime(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)), f.Close())
		},
		"read": func(d *beneath.Dir, name string) error {
			if name == "fifo" {
				return nil // nobody will write to it
			}
			_, err := d.ReadFile(name)
			return err
		},
		"list": func(d *beneath.Dir, name string) error {
			if name == "fifo" {
				return nil
			}
			return list(d, name)
		},
	}
	for _, from := range []string{"file", "file/", "full", "full/", "full/in", "empty", "link", "dangling", "missing", "..", "full/../file", "dir/../in"} {
		ops["rename "+from] = func(d *beneath.Dir, name string) error { return d.Rename(from, name) }
	}
	for op, do := range ops {
		fast, slow := strangeFolder(t), strangeFolder(t).Slow()
		before := tree(t, slow)
		for _, name := range strange {
			open := descriptors(t)
			got, want := do(fast, name), do(slow, name)
			if n := descriptors(t); n != open {
				t.Errorf("%s %.30q: %d descriptors are open, %d were", op, name, n, open)
			}
			if name != "" && !alike(got, want) {
				t.Errorf("%s %.30q: got error %v, want %v", op, name, got, want)
			}
			after := tree(t, slow)
			if diff := cmp.Diff(after, tree(t, fast)); diff != "" {
				t.Errorf("%s %.30q: %s", op, name, diff)
			}
			if after != before || t.Failed() {
				fast.Close()
				slow.Close()
				fast, slow = strangeFolder(t), strangeFolder(t).Slow()
			}
		}
	}
}

// What is told of a file is what os.Root tells.
func TestSameStat(t *testing.T) {
	fast, slow := strangeFolder(t), strangeFolder(t).Slow()
	told := func(info fs.FileInfo, err error) string {
		if err != nil {
			return ""
		}
		return fmt.Sprint(info.Mode(), info.Size(), info.IsDir())
	}
	for _, name := range strange[1:] {
		if got, want := told(fast.Stat(name)), told(slow.Stat(name)); got != want {
			t.Errorf("stat %.30q: %s, want %s", name, got, want)
		}
		if got, want := told(fast.Lstat(name)), told(slow.Lstat(name)); got != want {
			t.Errorf("lstat %.30q: %s, want %s", name, got, want)
		}
	}
}
