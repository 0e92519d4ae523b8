package fsstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// A listDisk counts listings.
type listDisk struct {
	Disk
	lists *int
}

func (d listDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	*d.lists++
	return d.Disk.ReadDir(name)
}

// Reading a model does not list the models beside it. On a case-sensitive file
// system it never lists them. On others it lists them once, and again only
// after a model was added or removed.
func TestReadingDoesNotListOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"fraud/Risk", "fraud/Élan", "fraud/other", "café/m"} {
		write(t, filepath.Join(dir, name, logName), "x\n")
	}
	changed := func(name string, ago time.Duration) {
		t.Helper()
		at := time.Now().Add(-ago)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "fraud", "café"} {
		changed(name, time.Hour)
	}
	s := open(t, dir)
	lists := 0
	s.Wrap(func(d Disk) Disk { return listDisk{d, &lists} })
	read := func(useCase, model string, want int) {
		t.Helper()
		lists = 0
		if err := s.Read(t.Context(), useCase, model, func(driver.View) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if lists != want {
			t.Errorf("reading %s/%s lists %d folders, want %d", useCase, model, lists, want)
		}
	}
	read("fraud", "Risk", 0)
	read("fraud", "Élan", 1)
	read("fraud", "Élan", 0)
	read("café", "m", 1)
	read("café", "m", 0)
	write(t, filepath.Join(dir, "fraud", "new", logName), "x\n")
	changed("fraud", time.Minute)
	read("fraud", "Risk", 0)
	read("fraud", "Élan", 1)
	read("café", "m", 0)
}
