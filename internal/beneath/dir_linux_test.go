//go:build amd64 || arm64

package beneath_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/beneath"
)

func names(entries []fs.DirEntry) (list []string) {
	for _, e := range entries {
		list = append(list, e.Type().String()+" "+e.Name())
	}
	return list
}

// A folder that is moved, and whose place another took, is the same folder still, whichever way is gone.
func TestMovedFolder(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	path, aside := filepath.Join(base, "store"), filepath.Join(base, "aside")
	if err := errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, "file"), []byte("mine"), 0o644)); err != nil {
		t.Fatal(err)
	}
	d, err := beneath.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := errors.Join(os.Rename(path, aside), os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, "file"), []byte("another's"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if data, err := d.ReadFile("file"); string(data) != "mine" || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
	if info, err := d.Lstat("file"); err != nil || info.Size() != int64(len("mine")) {
		t.Errorf("%v, %v", info, err)
	}
	if err := d.RemoveAll("file"); err != nil { // for which there is os.Root only
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(path, "file")); string(data) != "another's" || err != nil {
		t.Errorf("the other's is %q, %v", data, err)
	}
	if _, err := os.Lstat(filepath.Join(aside, "file")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its own is there: %v", err)
	}
}

// Files and listings that no first read holds come whole, to several at once.
func TestLargeFilesAndFolders(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *beneath.Dir) {
		files := map[string]string{}
		for _, size := range []int{0, 1, 2<<10 - 1, 2 << 10, 2<<10 + 1, 100 << 10} {
			files[fmt.Sprint("size", size)] = strings.Repeat("x", size)
		}
		for i := range 400 {
			files[fmt.Sprintf("%0100d", i)] = ""
		}
		for name, data := range files {
			if err := d.WriteFile(name, []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := d.ReadFile(name); string(got) != data || err != nil {
				t.Errorf("%s: read %d bytes, %v", name, len(got), err)
			}
		}
		listed, err := os.ReadDir(d.Path())
		if err != nil {
			t.Fatal(err)
		}
		want := names(listed)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 3 {
					got, err := d.ReadDir(".")
					if diff := cmp.Diff(want, names(got)); diff != "" || err != nil {
						t.Error(err, diff)
					}
				}
			})
		}
		wg.Wait()
	})
}

// A listing may not say what its entries are; they are looked at then, and those that are gone by now left out.
func TestEntriesOfUnknownType(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "file"), nil, 0o644), os.Mkdir(filepath.Join(dir, "folder"), 0o777),
		os.Symlink("file", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, name := range []string{".", "file", "folder", "gone", "link", ".."} {
		entry := append(make([]byte, 19, 40), name...)
		entry[18] = syscall.DT_UNKNOWN
		entry = entry[:40]
		binary.NativeEndian.PutUint16(entry[16:], 40)
		data = append(data, entry...)
	}
	got, err := beneath.Entries(nil, dir, data)
	if diff := cmp.Diff([]string{"---------- file", "d--------- folder", "L--------- link"}, names(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// descriptors counts those that the process has.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc to count descriptors in")
	}
	return len(entries)
}

// A folder is closed when the last call in it ends, and none begins meanwhile. It counts
// descriptors, and so runs alone.
func TestClosedInUse(t *testing.T) {
	before := descriptors(t)
	d, err := beneath.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	end, ok := d.Hold()
	if !ok {
		t.Skip("openat2 is missing or forbidden here")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.ReadDir("."); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if n := descriptors(t); n != before+1 {
		t.Errorf("in use: %d descriptors are open, %d were", n, before)
	}
	end()
	if n := descriptors(t); n != before {
		t.Errorf("not in use: %d descriptors are open, %d were", n, before)
	}
}

// A folder that nobody closed, because somebody may be at it still, is closed when nobody is. It counts
// descriptors, and so runs alone.
func TestForgottenFolder(t *testing.T) {
	dir, before := t.TempDir(), descriptors(t)
	for range 50 {
		d, err := beneath.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.OpenRoot(); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		n := descriptors(t)
		if n <= before {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d descriptors are open, %d were", n, before)
		}
	}
}
