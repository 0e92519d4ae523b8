package fsstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

// A syncDisk notes what is synced, and lets tests hold it up.
type syncDisk struct {
	Disk
	one, all func() error // what a sync does

	mu    sync.Mutex
	own   map[string]bool   // stagings of which a file was synced by itself
	inAll []map[string]bool // the stagings that were there, file and all, at each sync of the file system
}

func (d *syncDisk) Sync(name string) error {
	if filepath.Base(name) != "f" {
		return nil
	}
	d.mu.Lock()
	d.own[filepath.Join(d.Dir(), filepath.Dir(name))] = true
	d.mu.Unlock()
	return d.one()
}

func (d *syncDisk) SyncAll() error {
	files, err := filepath.Glob(filepath.Join(d.Dir(), "uc", "m", stagingName, "*", treeName, "f"))
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, f := range files {
		there[filepath.Dir(f)] = true
	}
	d.mu.Lock()
	d.inAll = append(d.inAll, there)
	d.mu.Unlock()
	return d.all()
}

// crowd has some stagings sealed at once, in goroutines of a synctest bubble: the first few, which
// sync their own until go on is closed, then the others.
type crowd struct {
	disk   *syncDisk
	store  *Store
	goOn   chan struct{}
	sealed map[*Staged]error
	mu     sync.Mutex
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{disk: &syncDisk{own: map[string]bool{}}, store: open(t, t.TempDir()), goOn: make(chan struct{}), sealed: map[*Staged]error{}}
	c.store.Wrap(func(d Disk) Disk { c.disk.Disk = d; return c.disk })
	c.disk.one = func() error { <-c.goOn; return nil }
	return c
}

func (c *crowd) seal(ctx context.Context, t *testing.T, n int) (list []*Staged) {
	t.Helper()
	for range n {
		st := stage(t, c.store)
		write(t, filepath.Join(st.Dir(), "f"), "x")
		list = append(list, st)
		go func() {
			err := st.Seal(ctx)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sealed[st] = err
		}()
	}
	synctest.Wait()
	return list
}

// safe reports whether a staging was synced, by itself or with all that was there.
func (c *crowd) safe(st *Staged) bool {
	safe := c.disk.own[st.Dir()]
	for _, there := range c.disk.inAll {
		safe = safe || there[st.Dir()]
	}
	return safe
}

// The first few stagings sync their own, as each does that comes alone; those that come while they
// are at it share syncs of the file system, none of which began before they were whole.
func TestStagingsShareASync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		first := make(chan struct{})
		c.disk.all = func() error { <-first; return nil }
		list := append(c.seal(t.Context(), t, few), c.seal(t.Context(), t, 1)...)
		if n := len(c.disk.inAll); n != 1 {
			t.Fatalf("%d syncs of the file system are under way", n)
		}
		list = append(list, c.seal(t.Context(), t, 20)...)
		if len(c.sealed) != 0 || len(c.disk.inAll) != 1 {
			t.Fatalf("%d are sealed and %d syncs of the file system were begun while the first goes on", len(c.sealed), len(c.disk.inAll))
		}
		close(first)
		synctest.Wait()
		if len(c.sealed) != 21 || len(c.disk.inAll) != 2 || len(c.disk.own) != few {
			t.Errorf("%d are sealed, by %d syncs of the file system and %d of their own", len(c.sealed), len(c.disk.inAll), len(c.disk.own))
		}
		close(c.goOn)
		synctest.Wait()
		for _, st := range list {
			if err := st.Discard(); err != nil {
				t.Error(err)
			}
		}
		list = append(list, c.seal(t.Context(), t, 1)...)
		if len(c.disk.inAll) != 2 {
			t.Error("one that comes alone has the file system synced")
		}
		for i, st := range list {
			if err := c.sealed[st]; err != nil || !c.safe(st) {
				t.Errorf("staging %d: safe %v, %v", i, c.safe(st), err)
			}
		}
	})
}

// Where a file system can't be synced, or that fails, each syncs its own and is told of its own
// error; and if it never can, nobody waits for it again.
func TestSharedSyncFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		rounds int // for two that come one after the other
	}{
		"unsupported": {errors.ErrUnsupported, 1},
		"not now":     {errNotNow, 2},
		"EIO":         {syscall.EIO, 1}, // the disk is failing
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t)
				c.disk.all = func() error { return test.err }
				list := c.seal(t.Context(), t, few)
				list = append(list, c.seal(t.Context(), t, 1)...)
				list = append(list, c.seal(t.Context(), t, 1)...)
				close(c.goOn)
				synctest.Wait()
				for i, st := range list {
					if err := c.sealed[st]; err != nil || !c.disk.own[st.Dir()] {
						t.Errorf("staging %d: synced itself %v, %v", i, c.disk.own[st.Dir()], err)
					}
				}
				if len(c.disk.inAll) != test.rounds {
					t.Errorf("the file system was synced %d times, want %d", len(c.disk.inAll), test.rounds)
				}
			})
		})
	}
}

// A failed sync of the file system tells of files that were written before it and are not synced yet. The
// system tells of them once: no later one can say that they are safe.
func TestSharedSyncFailsForThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		fail := make(chan error, 1)
		c.disk.all = func() error { return <-fail }
		c.seal(t.Context(), t, few+1)
		waits := c.seal(t.Context(), t, 2)
		close(c.goOn)
		fail <- syscall.EIO
		close(fail) // whatever is asked of it later succeeds
		synctest.Wait()
		for i, st := range waits {
			if err := c.sealed[st]; err != nil || !c.disk.own[st.Dir()] {
				t.Errorf("staging %d: synced itself %v, %v", i, c.disk.own[st.Dir()], err)
			}
		}
	})
}

// Who waits for a sync of others' gives up with its context.
func TestSharedSyncGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		c.disk.all = func() error { <-c.goOn; return nil }
		c.seal(t.Context(), t, few)
		ctx, cancel := context.WithCancel(t.Context())
		waits := c.seal(ctx, t, 2)
		cancel()
		synctest.Wait()
		for _, st := range waits {
			if err := c.sealed[st]; !errors.Is(err, context.Canceled) {
				t.Errorf("its context ended: %v", err)
			}
		}
		close(c.goOn)
		synctest.Wait()
	})
}

// A file system that can be synced as a whole is, from the second time on; where the system does
// not do it, it says so.
func TestSyncAll(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	d, err := s.disk(true)
	if err != nil {
		t.Fatal(err)
	}
	err = d.SyncAll()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Logf("not here: %v", err)
		return
	}
	if !errors.Is(err, errNotNow) {
		t.Errorf("the first time: %v", err)
	}
	if err := d.SyncAll(); err != nil && !errors.Is(err, errNotNow) { // others may have too much to write
		t.Errorf("the second time: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncAll(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}
