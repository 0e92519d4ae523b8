package fsstore

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/driver"
)

// closedFolders is a disk on which some folders can't be read.
type closedFolders struct {
	Disk
	names map[string]bool
}

func (d closedFolders) ReadDir(name string) ([]fs.DirEntry, error) {
	if d.names[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.Disk.ReadDir(name)
}

// A store at the root of a volume has a lost+found that only root can read. It
// is not a use case. Another folder that can't be read is reported once, and
// does not hide the models after it.
func TestModelsSkipsFoldersOfTheSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, useCase := range []string{"fraud", "lost+found", "m", "z"} {
		_, err := s.Append(t.Context(), useCase, "risk", func(driver.View) (*driver.Commit, error) {
			return &driver.Commit{Lines: lines("{1}")}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	s.Wrap(func(d Disk) Disk { return closedFolders{d, map[string]bool{"lost+found": true, "m": true}} })
	var got []string
	for name, err := range s.Models(t.Context()) {
		got = append(got, fmt.Sprint(name, " ", err))
	}
	want := []string{"fraud/risk <nil>", "m/ open m: permission denied", "z/risk <nil>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Models yields (-want +got):\n%s", diff)
	}
}
