package fsstore

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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

func (d closedFolders) Lstat(name string) (fs.FileInfo, error) {
	if d.names[path.Dir(name)] {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrPermission}
	}
	return d.Disk.Lstat(name)
}

// made returns a folder with models.
func made(t *testing.T, names ...driver.Name) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir)
	for _, n := range names {
		_, err := s.Append(t.Context(), n.UseCase, n.Model, func(driver.View) (*driver.Commit, error) {
			return &driver.Commit{Lines: lines("{1}")}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func wantModels(t *testing.T, s *Store, want ...string) {
	t.Helper()
	var got []string
	for name, err := range s.Models(t.Context()) {
		got = append(got, fmt.Sprint(name, " ", err))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Models yields (-want +got):\n%s", diff)
	}
}

// A store or a use case at the root of a volume has a lost+found that only root
// can read. It is neither a use case nor a model. Another folder that can't be
// read is reported once, and does not hide the models after it.
func TestModelsSkipsFoldersOfTheSystem(t *testing.T) {
	t.Parallel()
	s := open(t, made(t, driver.Name{UseCase: "fraud", Model: "risk"}, driver.Name{UseCase: "fraud", Model: "lost+found"},
		driver.Name{UseCase: "fraud", Model: "mine"}, driver.Name{UseCase: "lost+found", Model: "risk"},
		driver.Name{UseCase: "m", Model: "risk"}, driver.Name{UseCase: "z", Model: "risk"}))
	s.Wrap(func(d Disk) Disk {
		return closedFolders{d, map[string]bool{"lost+found": true, "fraud/lost+found": true, "fraud/mine": true, "m": true}}
	})
	wantModels(t, s, "fraud/mine lstat fraud/mine/registry.json: permission denied", "fraud/risk <nil>",
		"m/ open m: permission denied", "z/risk <nil>")
}

// A symbolic link in place of a use case or a model is reported, wherever it
// leads, and does not hide the models after it.
func TestModelsReportsLinks(t *testing.T) {
	t.Parallel()
	dir, elsewhere := made(t, driver.Name{UseCase: "fraud", Model: "risk"}), made(t, driver.Name{UseCase: "far", Model: "risk"})
	for name, to := range map[string]string{
		"alias":       "fraud",
		"far":         filepath.Join(elsewhere, "far"),
		"fraud/moved": filepath.Join(elsewhere, "far", "risk"),
		"gone":        filepath.Join(elsewhere, "unmounted"),
		"notes":       filepath.Join(elsewhere, "far", "risk", logName),
		".hidden":     elsewhere,
	} {
		if err := os.Symlink(filepath.FromSlash(to), filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Skip("no symbolic link can be made here:", err)
		}
	}
	is := func(name string) string { return " " + (&fs.PathError{Op: "open", Path: name, Err: errLink}).Error() }
	wantModels(t, open(t, dir), "alias/"+is("alias"), "far/"+is("far"), "fraud/moved"+is("fraud/moved"), "fraud/risk <nil>", "gone/"+is("gone"))
}

func TestModels(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "missing"))
	names := func() (list []string) {
		for name, err := range s.Models(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, name.String())
		}
		return list
	}
	if got := names(); got != nil {
		t.Errorf("models of a missing folder: %q", got)
	}
	for _, name := range []string{"b/y/registry.json", "a/z/registry.json", "a/.hidden/registry.json", ".git/x/registry.json", "a/empty/versions/1.0.0/f", "a/begun/history.jsonl", "file"} {
		write(t, s.path(name), "")
	}
	write(t, s.path("b/x/history.jsonl"), "a line\n")
	write(t, s.path("a/torn/history.jsonl"), "half a li")
	if got := names(); !slices.Equal(got, []string{"a/z", "b/x", "b/y"}) {
		t.Errorf("%q", got)
	}
}
