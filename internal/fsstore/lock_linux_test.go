//go:build amd64 || arm64

package fsstore

import (
	"context"
	"os"
	"testing"
	"time"
)

// A holder knows whether another process, or another store of its own, waits for its turn.
func TestWaiterShows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	for _, s := range []*Store{s, other} {
		if _, err := add(t, s, nil); err != nil { // so that each has the folder open
			t.Fatal(err)
		}
	}
	awaited := func(v *View, want bool) {
		t.Helper()
		poll(t, "it to show", func() bool { return v.Awaited() == want })
	}
	if lock := s.at.OpenLock("uc/m/.lock", s.path("uc/m/.lock")); lock == nil {
		if os.Getenv("MODELREGISTRY_TEST_ALL") != "" {
			t.Fatal("this kernel opens no file beneath another")
		}
		t.Skip("this kernel opens no file beneath another")
	} else if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Append(t.Context(), "uc", "m", func(v *View) (*Commit, error) {
		if v.Awaited() {
			t.Error("somebody waits who is not there")
		}
		ctx, cancel := context.WithCancel(t.Context())
		waits := func(ctx context.Context) <-chan time.Time {
			return returned(func() {
				other.Append(ctx, "uc", "m", func(*View) (*Commit, error) { return nil, nil })
			})
		}
		gone := waits(ctx)
		awaited(v, true)
		cancel()
		<-gone
		awaited(v, false) // while the blocking call goes on
		again := waits(t.Context())
		awaited(v, true)
		t.Cleanup(func() { <-again })
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Append(t.Context(), "uc", "m", func(v *View) (*Commit, error) {
		if v.Awaited() {
			t.Error("the one that waited takes itself for another")
		}
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
}
