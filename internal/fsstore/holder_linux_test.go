package fsstore

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/mounts"
)

func wantHolder(t *testing.T, s *Store, when, want string) {
	t.Helper()
	if got := s.LockHolder("uc", "m"); got != want {
		t.Errorf("%s the holder is %q, want %q", when, got, want)
	}
}

// The holder of a lock is named while it holds the lock, and not while it waits
// for it.
func TestLockHolder(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	wantHolder(t, s, "before the model exists,", "")
	file := lockedModel(t, s)
	if f, err := os.Lstat(file); err != nil || !listsLocks(f) {
		t.Skipf("the kernel does not list the locks of this file system by the device that stat reports: %v", err)
	}
	wantHolder(t, s, "while the lock is free,", "")
	own := flock.New(file)
	if err := own.Lock(); err != nil {
		t.Fatal(err)
	}
	wantHolder(t, s, "while the test holds the lock,", "this process")
	if err := own.Close(); err != nil {
		t.Fatal(err)
	}

	holder := start(t, "hold", file)
	name := filepath.Base(os.Args[0])
	want := fmt.Sprintf("process %d (%s)", holder.Process.Pid, name[:min(len(name), 15)])
	got := waiter(t, s)
	wantHolder(t, s, "while another process holds the lock and this one waits,", want)
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	poll(t, "the holder to stop", func() bool { return s.LockHolder("uc", "m") == want+", which is stopped" })
	holder.kill()
	<-got
}

// A shell that keeps a lock that another program took for it is not known. The
// other program has ended, and its number means nothing.
func TestLockHolderThatEnded(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip(err)
	}
	s := open(t, t.TempDir())
	file := lockedModel(t, s)
	cmd := exec.Command("sh", "-c", `exec 9>"$0"; flock 9; echo ready; read end`, file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	wantHolder(t, s, "after the program that took the lock has ended,", "")
}

// A number of a process that has ended may be that of another process by now.
func TestMayHoldNeedsTheLock(t *testing.T) {
	t.Parallel()
	file := lockedModel(t, open(t, t.TempDir()))
	info, err := os.Lstat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mayHold(os.Getpid(), lockID(info)) {
		t.Error("a process that does not hold the lock may hold it, want not")
	}
}

func TestLockedBy(t *testing.T) {
	t.Parallel()
	locks := strings.Join([]string{
		"1: POSIX  ADVISORY  WRITE 11 fe:00:100 0 0",
		"2: -> FLOCK  ADVISORY  WRITE 12 fe:00:200 0 EOF",
		"3: FLOCK  ADVISORY  WRITE 13 fe:01:200 0 EOF",
		"4: FLOCK  ADVISORY  WRITE 14 fe:00:200 0 EOF",
		"4: -> FLOCK  ADVISORY  WRITE 15 fe:00:200 0 EOF",
		"lock:\t5: FLOCK  ADVISORY  WRITE 16 fe:00:300 0 EOF",
		"6: OFDLCK ADVISORY  WRITE -1 00:2b:400 0 EOF",
		"",
	}, "\n")
	for id, want := range map[string]int{"fe:00:100": 11, "fe:00:200": 14, "fe:01:200": 13, "fe:00:300": 16, "00:2b:400": -1, "fe:00:1": 0} {
		if got := lockedBy(locks, id); got != want {
			t.Errorf("the process that locked %s is %d, want %d", id, got, want)
		}
	}
}

// listsLocks reports whether /proc/locks names a file's locks as lockID does.
func listsLocks(file os.FileInfo) bool {
	device, _ := fsroot.Identity(file)
	_, found := mounts.Of("/", device)
	return found
}
