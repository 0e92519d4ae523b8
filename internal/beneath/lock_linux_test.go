//go:build amd64 || arm64

package beneath

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Another program's exclusive record lock on the file, as Python's fcntl.lockf makes it, shows nobody that waits for ours.
func TestExclusiveRecordLockIsNoMark(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	name := filepath.Join(dir, "lock")
	lock := d.OpenLock("lock", name)
	if lock == nil {
		t.Skip("this kernel opens no file beneath another")
	}
	defer lock.Unlock()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.FcntlFlock(f.Fd(), ofdSetLock, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	if lock.Awaited() {
		t.Error("somebody waits who is not there")
	}
}
