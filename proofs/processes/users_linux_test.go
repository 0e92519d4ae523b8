package processes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// sharedDir returns a folder that every user can reach.
func sharedDir(t *testing.T, mode fs.FileMode) (dir string) {
	t.Helper()
	base, err := os.MkdirTemp("", "modelregistry-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir = filepath.Join(base, "store")
	if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(dir, 0o755), os.Chown(dir, -1, nobody), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Invariant 6: another user can read what the modes allow, and gets EACCES
// otherwise. In a folder that a group shares, that user can also write.
func TestAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		storetest.Unavailable(t, "becoming another user takes root")
	}
	user := userVariable + "=nobody"
	t.Run("may read", func(t *testing.T) {
		t.Parallel()
		dir := sharedDir(t, 0o755)
		run(t, "write", dir, umaskVariable+"=022")
		check := storetest.Unchanged(t, dir)
		run(t, "read, and find changes refused", dir, user)
		check()
		run(t, "write", dir, umaskVariable+"=022")
		wantClean(t, dir, openStore(t, dir, nil))
	})
	t.Run("may not", func(t *testing.T) {
		t.Parallel()
		dir := sharedDir(t, 0o755)
		run(t, "write", dir, umaskVariable+"=077")
		check := storetest.Unchanged(t, dir)
		run(t, "find it unreadable", dir, user)
		check()
	})
	t.Run("shares a group", func(t *testing.T) {
		t.Parallel()
		dir := sharedDir(t, 0o775|fs.ModeSetgid)
		for range 2 {
			run(t, "write", dir, umaskVariable+"=002")
			run(t, "write", dir, umaskVariable+"=002", user)
		}
		if n := len(wantClean(t, dir, openStore(t, dir, nil))); n != 4 {
			t.Errorf("got %d versions, want 4", n)
		}
		storetest.WantInStep(t, dir)
	})
}

// Files and folders get the modes that the umask allows. The files of a version
// lose their write bits. A second process of the same user can write too.
func TestUmask(t *testing.T) {
	t.Parallel()
	for _, mask := range []fs.FileMode{0o077, 0o002, 0o022} {
		t.Run(fmt.Sprintf("%03o", mask), func(t *testing.T) {
			t.Parallel()
			env := []string{fmt.Sprintf("%s=%03o", umaskVariable, mask)}
			dir := t.TempDir()
			if os.Geteuid() == 0 { // the modes do not limit root
				dir = sharedDir(t, 0o755)
				if err := os.Chown(dir, nobody, nobody); err != nil {
					t.Fatal(err)
				}
				env = append(env, userVariable+"=nobody")
			}
			run(t, "write", dir, env...)
			run(t, "write", dir, env...)
			if n := len(wantClean(t, dir, openStore(t, dir, nil))); n != 2 {
				t.Errorf("got %d versions, want 2", n)
			}
			err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
				if err != nil || name == dir {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				want := 0o666 &^ mask
				switch {
				case d.IsDir():
					want = 0o777 &^ mask
				case strings.Contains(name, "/versions/"):
					want = 0o444 &^ mask
				}
				if got := info.Mode().Perm(); got != want {
					t.Errorf("%s is %03o, want %03o", strings.TrimPrefix(name, dir), got, want)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
