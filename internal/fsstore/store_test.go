package fsstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

func TestChanged(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	file, doc := s.path("uc/m/"+logName), s.path("uc/m/"+documentName)
	write(t, file, "{1}\n")
	write(t, doc, "1")
	old := time.Now().Add(-time.Hour)
	look := func() any {
		for _, name := range []string{file, doc} {
			if err := os.Chtimes(name, old, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		var rev any
		if err := s.Read(t.Context(), "uc", "m", func(v driver.View) error { rev = v.Revision(); return nil }); err != nil {
			t.Fatal(err)
		}
		return rev
	}
	changed := func(rev any) bool {
		is, err := s.Changed(t.Context(), "uc", "m", rev)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if changed(look()) {
		t.Error("Changed is true, although nothing happened")
	}
	if !changed(nil) {
		t.Error("Changed is false, although nothing was read")
	}
	steps := map[string]func(){
		"appended":          func() { write(t, file, "{1}\n{2}\n") },
		"document in place": func() { write(t, doc, "2") },
		"document replaced": func() { write(t, doc+"x", "3"); os.Rename(doc+"x", doc) },
		"document removed":  func() { os.Remove(doc) },
		"log removed":       func() { os.Remove(file) },
	}
	for _, name := range []string{"appended", "document in place", "document replaced", "document removed", "log removed"} {
		rev := look()
		steps[name]()
		if !changed(rev) {
			t.Errorf("%s: Changed did not notice", name)
		}
	}
	// A file that was just written may be written again within the same tick.
	write(t, doc, "5")
	var rev any
	s.Read(t.Context(), "uc", "m", func(v driver.View) error { rev = v.Revision(); return nil })
	if r := rev.(*revision); r.document.fresh && !changed(rev) {
		t.Error("Changed is false, although the document was just written")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for _, dir := range []string{"", file} {
		if _, err := Open(dir); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q): got error %v", dir, err)
		}
	}
}

// syncDisk records the files that are synced.
type syncDisk struct {
	Disk
	synced map[string]bool
}

func (d syncDisk) Sync(name string) error {
	d.synced[name] = true
	return d.Disk.Sync(name)
}

// A store relies on folders that another process made and may not have synced.
// So it syncs them before its own first commit.
func TestFoldersOfAnotherProcessAreSynced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "uc", "m"), 0o777); err != nil {
		t.Fatal(err)
	}
	s, d := open(t, dir), syncDisk{synced: map[string]bool{}}
	s.Wrap(func(disk Disk) Disk { d.Disk = disk; return d })
	for i := range 2 {
		clear(d.synced)
		if _, err := add(t, s, &driver.Commit{Lines: lines("x")}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"uc/m", "uc", "."} {
			if first := i == 0; d.synced[name] != first {
				t.Errorf("commit %d: %s was synced: %v, want %v", i+1, name, !first, first)
			}
		}
	}
}
