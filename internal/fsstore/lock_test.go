package fsstore

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry/driver"
)

// best runs a measurement several times and returns the shortest. On a busy
// machine a promise is broken only if no run keeps it.
func best(runs int, measure func() time.Duration) time.Duration {
	shortest := measure()
	for range runs - 1 {
		shortest = min(shortest, measure())
	}
	return shortest
}

// Invariant 9: a waiter gives up within 10 ms after its context ends, whether
// another process or another goroutine holds the lock.
func TestWaiterGivesUpAtOnce(t *testing.T) {
	t.Parallel()
	none := func(driver.View) (*driver.Commit, error) { t.Error("the waiter got the lock"); return nil, nil }
	promptly := func(t *testing.T, s *Store) {
		t.Helper()
		ends := map[string]func() (context.Context, context.CancelFunc){
			"cancelled": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
			"deadline": func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), 20*time.Millisecond)
			},
		}
		for name, make := range ends {
			late := best(10, func() time.Duration {
				ctx, cancel := make()
				defer cancel()
				done := ending(ctx)
				left := returned(func() { s.Append(ctx, "uc", "m", none) })
				if name == "cancelled" {
					cancel()
				}
				end := <-done
				return (<-left).Sub(end)
			})
			if late > 10*time.Millisecond {
				t.Errorf("%s: the waiter gave up %v late, at best", name, late)
			}
		}
	}
	t.Run("another process", func(t *testing.T) {
		t.Parallel()
		s := open(t, t.TempDir())
		held := flock.New(lockedModel(t, s))
		if err := held.Lock(); err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		promptly(t, s)
	})
	t.Run("a goroutine", func(t *testing.T) {
		t.Parallel()
		s := open(t, t.TempDir())
		in, leave, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { close(in); <-leave; return nil, nil })
		}()
		<-in
		promptly(t, s)
		close(leave)
		<-done
	})
}

// ending sends when a context ended.
func ending(ctx context.Context) <-chan time.Time {
	return returned(func() { <-ctx.Done() })
}

// returned sends when a call has returned.
func returned(call func()) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() { call(); at <- time.Now() }()
	return at
}

// appendFor runs in a busy process. It appends for as long as its input says,
// and then prints how many appends it made.
func appendFor(t *testing.T, s *Store) {
	fmt.Println("ready")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	d, err := time.ParseDuration(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if _, err := add(t, s, &driver.Commit{Lines: lines("{1}")}); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println(n)
}

// Invariant 9: none of eight processes that are busy with one model starves. In
// at least one round, the slowest makes a quarter of its share of appends. Each
// round is longer than the one before: on a busy machine, the system's own
// choice of processes is fair only in the long run. Invariant 4: no line is
// lost.
func TestNoProcessStarves(t *testing.T) {
	t.Parallel()
	const processes = 8
	var counts []int
	for d := 2 * time.Second; d <= 16*time.Second; d *= 2 {
		s := open(t, t.TempDir())
		running := make([]process, processes)
		for i := range running {
			running[i] = start(t, "append", s.dir)
		}
		for _, p := range running {
			fmt.Fprintln(p.in, d)
		}
		counts = make([]int, processes)
		sum := 0
		for i, p := range running {
			if _, err := fmt.Fscan(p.out, &counts[i]); err != nil {
				t.Fatal(err)
			}
			sum += counts[i]
		}
		if n := strings.Count(log(t, s), "\n"); n != sum {
			t.Fatalf("the log has %d lines, want %d", n, sum)
		}
		if slices.Min(counts) >= sum/processes/4 && slices.Min(counts) > 0 {
			t.Logf("appended by each: %d", counts)
			return
		}
	}
	t.Errorf("appended by each: %d", counts)
}

func TestLockExcludes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*Store{open(t, dir), open(t, dir)} // one local lock each
	var inside, n atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				_, err := stores[i%2].Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) {
					if now := inside.Add(1); now != 1 {
						t.Errorf("%d callers hold the lock", now)
					}
					n.Add(1)
					inside.Add(-1)
					return nil, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n.Load() != 160 {
		t.Errorf("%d callers got the lock", n.Load())
	}
}

// lockedModel makes a model that has a lock file, and returns the file.
func lockedModel(t *testing.T, s *Store) string {
	t.Helper()
	if _, err := add(t, s, nil); err != nil {
		t.Fatal(err)
	}
	return s.path("uc/m/" + lockName)
}

func TestLockWaiterGivesUp(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	file := lockedModel(t, s)
	held := flock.New(file)
	if err := held.Lock(); err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { t.Error("the caller got the lock"); return nil, nil })
		cancel()
		if err != context.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("giving up took %v", took)
		}
	}
	// One caller gives up. Another goes on waiting and gets the lock, and so
	// does a caller of another store.
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp, in := make(chan error, 1), make(chan error, 2)
	go func() {
		_, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { t.Error("the caller got the lock"); return nil, nil })
		gaveUp <- err
	}()
	for _, s := range []*Store{s, open(t, s.dir)} {
		go func() {
			_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, nil })
			in <- err
		}()
	}
	cancel()
	if err := <-gaveUp; err != context.Canceled {
		t.Error(err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-in; err != nil {
			t.Error(err)
		}
	}
	// No caller waits any more: the blocking call of the callers that gave up
	// holds nothing.
	other := flock.New(file)
	defer other.Close()
	poll(t, "the lock to be free", func() bool { ok, err := other.TryLock(); return ok && err == nil })
}

func TestLockOfAKilledProcessIsFree(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	_, kill := child(t, "hold", lockedModel(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Append(ctx, "uc", "m", func(driver.View) (*driver.Commit, error) { return nil, nil }); err != context.DeadlineExceeded {
		t.Fatalf("while the holder lives: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) { return &driver.Commit{Lines: lines("{1}")}, nil })
		done <- err
	}()
	kill()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := log(t, s); got != "{1}\n" {
		t.Errorf("the log is %q", got)
	}
}

// Another program deletes or replaces the lock file while a caller waits for
// it: a lock on the old file would exclude no other process.
func TestLockFileReplaced(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, file string){
		"deleted": func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"replaced": func(t *testing.T, file string) {
			write(t, file+".new", "")
			if err := os.Rename(file+".new", file); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, replace := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir())
			file := lockedModel(t, s)
			held := flock.New(file)
			if err := held.Lock(); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := s.Append(t.Context(), "uc", "m", func(driver.View) (*driver.Commit, error) {
					// The file that the path names now is the one that is
					// locked.
					probe := flock.New(file)
					defer probe.Close()
					if ok, err := probe.TryLock(); ok || err != nil {
						return nil, fmt.Errorf("the lock is on another file: %t, %w", ok, err)
					}
					return nil, nil
				})
				done <- err
			}()
			g := s.localLock("uc/m")
			poll(t, "the other caller to wait", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.waiting })
			replace(t, file)
			if err := held.Unlock(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A lock file that is a symlink is not followed.
func TestLockFileIsASymlink(t *testing.T) {
	t.Parallel()
	if noFollow == 0 {
		t.Skip("this system can't refuse to follow a symlink")
	}
	s := open(t, t.TempDir())
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(s.path("uc/m"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, s.path("uc/m/"+lockName)); err != nil {
		t.Skip(err)
	}
	if _, err := add(t, s, &driver.Commit{Lines: lines("{1}")}); err == nil {
		t.Error("the symlink was locked")
	}
	if exists(outside) {
		t.Error("the symlink was followed")
	}
}
