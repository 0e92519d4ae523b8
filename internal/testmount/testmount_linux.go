package testmount

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// WhileBusy calls change until it does not return EBUSY, for ten seconds at
// most. A mount is busy for a moment longer than the files of a test are open:
// a process that is being started shares them until its program is loaded, one
// that was killed has them until it has ended.
func WhileBusy(change func() error) (err error) {
	for range 200 {
		if err = change(); !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// Unmount unmounts what is mounted on dir.
func Unmount(dir string) error {
	err := WhileBusy(func() error { return syscall.Unmount(dir, 0) })
	if err != nil {
		return &os.PathError{Op: "unmount", Path: dir, Err: err}
	}
	return nil
}

// UnmountAfter unmounts what is mounted on dir when the test ends. If
// something of the test still uses it then, the test fails.
func UnmountAfter(t testing.TB, dir string) {
	t.Helper()
	t.Cleanup(func() {
		if err := Unmount(dir); err != nil {
			t.Error(errors.Join(err, syscall.Unmount(dir, syscall.MNT_DETACH)))
		}
	})
}
