//go:build unix

package fsstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ubunye-go/modelregistry/driver"
)

// A symbolic link or a named pipe in a version's tree is an error. It is not
// followed, and no reader blocks on it.
func TestOddFilesInAStreamedTree(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, "not the version's")
	for what, plant := range map[string]func(name string) error{
		"link to a file":   func(name string) error { return os.Symlink(outside, name) },
		"link to a folder": func(name string) error { return os.Symlink(filepath.Dir(outside), name) },
		"pipe":             func(name string) error { return syscall.Mkfifo(name, 0o666) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			if _, err := add(t, s, &driver.Commit{Trees: []driver.StagedTree{{Staged: staged(t, s), Version: "1.0.0"}}, Lines: lines("one")}); err != nil {
				t.Fatal(err)
			}
			if err := plant(s.path("uc/m/versions/1.0.0/model/odd")); err != nil {
				t.Fatal(err)
			}
			tree, err := s.ReadTree(t.Context(), "uc", "m", "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			var last error
			for _, err := range tree.Files(t.Context()) {
				last = err
			}
			if !errors.Is(last, fs.ErrInvalid) {
				t.Errorf("listing the files: %v, want fs.ErrInvalid", last)
			}
			for _, name := range []string{"model/odd", "model/odd/outside"} {
				if f, err := tree.Open(t.Context(), name); !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrNotExist) {
					if err == nil {
						f.Close()
					}
					t.Errorf("opening %s: %v, want fs.ErrInvalid or fs.ErrNotExist", name, err)
				}
			}
		})
	}
}
