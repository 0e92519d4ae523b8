package fsstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/driver"
)

// A droppedStaging is a disk on which another process removes the empty folder
// of stagings once, before a folder is made in it.
type droppedStaging struct {
	Disk
	dropped bool
}

func (d *droppedStaging) Mkdir(name string) error {
	if strings.Contains(name, stagingName+"/") && !d.dropped {
		d.dropped = true
		if err := d.Remove(filepath.Dir(name)); err != nil {
			return err
		}
	}
	return d.Disk.Mkdir(name)
}

// RemoveTrees removes a tree although another process, whose registration
// failed, removes the folder of stagings meanwhile.
func TestRemoveTreesBesideAFailedRegistration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	tree := filepath.Join(dir, "uc", "m", versionsName, "1.0.0")
	if err := os.MkdirAll(tree, 0o777); err != nil {
		t.Fatal(err)
	}
	s.Wrap(func(d Disk) Disk { return &droppedStaging{Disk: d} })
	removed, err := s.RemoveTrees(t.Context(), "uc", "m", func(driver.View) ([]string, error) { return []string{"1.0.0"}, nil })
	if err != nil || len(removed) != 1 {
		t.Errorf("got %q, %v, want 1.0.0 removed", removed, err)
	}
	if _, err := os.Lstat(tree); !os.IsNotExist(err) {
		t.Errorf("the tree: %v, want %v", err, fs.ErrNotExist)
	}
}
