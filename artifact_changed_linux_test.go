package modelregistry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A directory on another file system is copied. If a file of it changes during
// the copy, the registration fails and the directory stays as it is.
func TestMovedFromAnotherDiskChangesWhileItIsCopied(t *testing.T) {
	t.Parallel()
	other, err := os.MkdirTemp("/dev/shm", "mr")
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	store := t.TempDir()
	probe := filepath.Join(other, "probe")
	writeFile(t, probe, "")
	if err := os.Rename(probe, filepath.Join(store, "probe")); !errors.Is(err, syscall.EXDEV) {
		os.Remove(filepath.Join(store, "probe"))
		unavailable(t, "/dev/shm and the temporary folder are one file system")
	}
	dir := filepath.Join(other, "model")
	const size = 9 << 20
	writeFile(t, filepath.Join(dir, "weights.bin"), strings.Repeat("A", size))
	r := openStore(t, store, nil)
	err = changeInCopy(t, r, store, dir, mr.MoveDir(dir), overwrite)
	wantChanged(t, err, "weights.bin", "copied")
	if got := listing(t, store); len(got) > 0 {
		t.Errorf("files that are left: %v", got)
	}
	if got := files(t, dir)["weights.bin"]; got != strings.Repeat("B", size) {
		t.Errorf("the source holds %d bytes, %.10q…", len(got), got)
	}
}
