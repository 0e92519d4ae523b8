//go:build amd64 || arm64

package beneath

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A print is taken only of what had not been changed for longer than a tick when it was read, by a clock that nobody set.
func TestPrintOfWhatIsYoung(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, []byte("1"), 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := time.Unix(0, info.Sys().(*syscall.Stat_t).Ctim.Nano())
	names := []string{".", "file"}
	if PrintOf(dir, names, time.Now().Add(time.Hour)) == nil {
		if os.Getenv("MODELREGISTRY_TEST_ALL") != "" {
			t.Fatal("this file system is not known to tell when a file was changed last")
		}
		t.Skip("this file system is not known to tell when a file was changed last")
	}
	if PrintOf(dir, names, changed.Add(settled-time.Millisecond)) != nil {
		t.Error("a print of a file that had just been changed when it was read")
	}
	if PrintOf(dir, names, changed.Add(-time.Second)) != nil {
		t.Error("a print of a file that was changed while it was read")
	}
	p := PrintOf(dir, names, changed.Add(settled+time.Millisecond))
	if p == nil || !p.Holds() || p.Len() != 2 {
		t.Fatalf("%v of a file that was left alone", p)
	}
	if PrintOf(dir, append(names, "missing"), time.Now().Add(time.Hour)) != nil {
		t.Error("a print of what is not there")
	}
	time.Sleep(2 * settled)
	if err := os.WriteFile(name, []byte("2"), 0o666); err != nil {
		t.Fatal(err)
	}
	if p.Holds() {
		t.Error("it holds of a file that was changed")
	}
}

func TestPrintWhileTheClockIsSet(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for by, want := range map[time.Duration]bool{0: false, time.Minute: true, -time.Minute: true} {
		if got := clockSet(began, began.Add(time.Second+by), time.Second); got != want {
			t.Errorf("set by %v: %v", by, got)
		}
	}
}
