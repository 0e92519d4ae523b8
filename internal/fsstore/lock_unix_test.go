//go:build unix

package fsstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/driver"
)

// waiter makes a store wait for the lock, and sends the time at which it got
// the lock.
func waiter(t *testing.T, s *Store) <-chan time.Time {
	t.Helper()
	got := returned(func() {
		if _, err := add(t, s, nil); err != nil {
			t.Error(err)
		}
	})
	g := s.localLock("uc/m")
	poll(t, "the other caller to wait", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.waiting })
	return got
}

// Invariant 9: if a lock holder is killed, the next waiter gets the lock in
// under 100 ms.
func TestKilledHolderReleasesLock(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	file := lockedModel(t, s)
	took := best(5, func() time.Duration {
		holder := start(t, "hold", file)
		got := waiter(t, s)
		killed := time.Now()
		if err := holder.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		return (<-got).Sub(killed)
	})
	if took > 100*time.Millisecond {
		t.Errorf("the next waiter got the lock after %v, at best", took)
	}
}

// A stopped process keeps the lock. A waiting caller can give up. A caller that
// goes on waiting gets the lock when the holder exits.
func TestStoppedHolderKeepsTheLock(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	holder := start(t, "hold", lockedModel(t, s))
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, nil }); err != context.DeadlineExceeded {
		t.Error(err)
	}
	got := waiter(t, s)
	holder.kill()
	<-got
}

// Invariant 8: the staging folder of a stopped process survives every sweep.
// When the process is killed, the next stage removes it.
func TestStoppedProcessKeepsItsStaging(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	owner := start(t, "stage", dir)
	if err := owner.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(dir, "uc", "m", stagingName, owner.said, treeName)
	hourAgo := time.Now().Add(-time.Hour) // the age must not matter
	for _, name := range []string{tree, filepath.Dir(tree), filepath.Join(filepath.Dir(tree), lockName)} {
		if err := os.Chtimes(name, hourAgo, hourAgo); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // each by a store that has not swept yet
		if err := stage(t, open(t, dir)).Discard(); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, filepath.Join(tree, "f")); got != "half of it" {
		t.Errorf("the staged file holds %q", got)
	}
	owner.kill()
	if err := stage(t, open(t, dir)).Discard(); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Dir(tree)) {
		t.Error("the staging folder of a killed process was not removed")
	}
}

// Invariant 8: a registration, a sweep or a discard does not touch files that
// another program put below versions/ or .staging, without a manifest or a name
// of ours.
func TestForeignFoldersStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	model := s.path("uc/m")
	for _, name := range []string{"versions/9.9.9/f", "versions/notes.txt", "versions/.hidden/manifest.json", ".staging/theirs/tree/f",
		".staging/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a/model/f", // an upload, in a bucket's copy
		".staging/notes.txt", ".orphans/old/f", "theirs/f", "versions/1.0.1/manifest.json/f"} {
		write(t, filepath.Join(model, filepath.FromSlash(name)), "x")
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(model, "versions", "1.0.2")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, model)
	for _, version := range []string{"1.0.1", "1.0.2"} {
		st := staged(t, s)
		if _, err := add(t, s, &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: version}}, Lines: lines("{1}")}); !errors.Is(err, os.ErrExist) {
			t.Errorf("registering over %s: %v", version, err)
		}
		if err := st.Discard(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(model, lockName)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tree(t, model)); diff != "" {
		t.Error(diff)
	}
}

// Invariant 9: while a writer holds the lock, the lock file is deleted or
// replaced, or the model's folder is moved away with it. Another writer gets
// the lock. The first notices before it commits, and decides again on the
// other's state.
func TestLockFileTakenFromItsHolder(t *testing.T) {
	t.Parallel()
	tests := map[string]func(file string) error{
		"deleted": os.Remove,
		"replaced": func(file string) error {
			return errors.Join(os.WriteFile(file+".new", nil, 0o666), os.Rename(file+".new", file))
		},
		"folder moved away": func(file string) error {
			dir := filepath.Dir(file)
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o777))
		},
	}
	for name, take := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			file := lockedModel(t, s)
			decided := 0
			_, err := s.Append(t.Context(), "uc", "m", func(v driver.View) (*driver.Commit, error) {
				if decided++; decided == 1 {
					if err := take(file); err != nil {
						return nil, err
					}
					if _, err := add(t, open(t, s.dir), &driver.Commit{Lines: lines("{other}")}); err != nil {
						return nil, err
					}
				}
				return &driver.Commit{Lines: lines("{mine}")}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := log(t, s); got != "{other}\n{mine}\n" || decided != 2 {
				t.Errorf("decided %d times, the log is %q", decided, got)
			}
		})
	}
}

// Invariant 9: while a store is open, its folder is moved away and another is
// put in its place. The store then locks, reads and writes the folder that the
// path leads to.
func TestStoreFolderReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	if _, err := add(t, s, &driver.Commit{Lines: lines("{mine}")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".aside"); err != nil {
		t.Fatal(err)
	}
	if _, err := add(t, open(t, dir), &driver.Commit{Lines: lines("{other}")}); err != nil {
		t.Fatal(err)
	}
	var saw []string
	if _, err := s.Append(t.Context(), "uc", "m", func(v driver.View) (*driver.Commit, error) {
		data, _, err := v.Log(0)
		saw = append(saw, string(data))
		return &driver.Commit{Lines: lines("{next}")}, err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"{other}\n"}, saw); diff != "" {
		t.Errorf("the state that was decided on (-want +got):\n%s", diff)
	}
	if got, aside := log(t, s), read(t, filepath.Join(dir+".aside", "uc", "m", logName)); got != "{other}\n{next}\n" || aside != "{mine}\n" {
		t.Errorf("the logs are %q, and %q aside", got, aside)
	}
}

// A symlink is planted above the lock file while the store is open. No change
// follows it, neither out of the store nor to another model.
func TestSymlinkAboveTheLockFile(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(t *testing.T, s *Store) (target string){
		"use case, outside": func(t *testing.T, s *Store) string {
			outside := t.TempDir()
			if err := errors.Join(os.Rename(s.path("uc"), filepath.Join(outside, "uc")), os.Symlink(filepath.Join(outside, "uc"), s.path("uc"))); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(outside, "uc", "m")
		},
		"model, outside": func(t *testing.T, s *Store) string {
			outside := filepath.Join(t.TempDir(), "m")
			if err := errors.Join(os.Rename(s.path("uc/m"), outside), os.Symlink(outside, s.path("uc/m"))); err != nil {
				t.Fatal(err)
			}
			return outside
		},
		"model, another": func(t *testing.T, s *Store) string {
			if err := errors.Join(os.Rename(s.path("uc/m"), s.path("uc/other")), os.Symlink("other", s.path("uc/m"))); err != nil {
				t.Fatal(err)
			}
			return s.path("uc/other")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			if _, err := add(t, s, &driver.Commit{Lines: lines("{1}")}); err != nil {
				t.Fatal(err)
			}
			target := plant(t, s)
			if err := os.Remove(filepath.Join(target, lockName)); err != nil {
				t.Fatal(err)
			}
			before := tree(t, target)
			if _, err := add(t, s, &driver.Commit{Lines: lines("{2}")}); err == nil {
				t.Error("the append succeeded")
			}
			if diff := cmp.Diff(before, tree(t, target)); diff != "" {
				t.Error(diff)
			}
			if got := read(t, filepath.Join(target, logName)); got != "{1}\n" {
				t.Errorf("the log there is %q", got)
			}
		})
	}
}

// A caller that waits for a lock and gives up keeps no file open, and neither
// does a caller whose lock file is removed. The test counts descriptors, so it
// does not run in parallel.
func TestLockKeepsNoDescriptor(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // collecting a file closes it, and would hide a leak
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc to count descriptors in")
		}
		return len(entries)
	}
	s := open(t, t.TempDir())
	file := lockedModel(t, s)
	none := func(driver.View) (*driver.Commit, error) { return nil, nil }
	giveUp := func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Append(ctx, "uc", "m", none); err != context.DeadlineExceeded {
			t.Error(err)
		}
	}
	before := count()
	for range 10 {
		held := flock.New(file)
		if err := held.Lock(); err != nil {
			t.Fatal(err)
		}
		giveUp() // this caller waits itself
		giveUp() // this caller finds another call waiting
		if err := held.Unlock(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) {
			giveUp() // this caller waits for the local lock
			return nil, os.Remove(file)
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), "uc", "m", none); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "descriptors to be closed", func() bool { return count() <= before })
}
