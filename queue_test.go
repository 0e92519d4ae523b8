package modelregistry_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"

	mr "github.com/ubunye-go/modelregistry"
)

// queued returns a context, and a channel that is closed once a change with it waits.
func queued(ctx context.Context) (context.Context, <-chan struct{}) {
	in := make(chan struct{})
	return &procQueuedContext{ctx, sync.OnceFunc(func() { close(in) })}, in
}

// Whoever makes the append for others as well leaves when its own context ends, and the
// others' changes happen all the same.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for range 4 {
		register(t, r, "", nil)
	}
	lock := flock.New(modelPath(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	archive := func(ctx context.Context, version string) chan error {
		ctx, in := queued(ctx)
		done := make(chan error, 1)
		go func() {
			_, err := r.Archive(ctx, fraud, version, nil)
			done <- err
		}()
		<-in
		return done
	}
	ctx, cancel := context.WithCancel(t.Context())
	leader := archive(ctx, "1.0.0")
	others := []chan error{archive(t.Context(), "1.0.1"), archive(t.Context(), "1.0.2"), archive(t.Context(), "1.0.3")}
	cancel()
	select {
	case err := <-leader:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the leader waits on")
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	for _, done := range others {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for version, want := range map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Archived, "1.0.2": mr.Archived, "1.0.3": mr.Archived} {
		if v, err := r.GetVersion(t.Context(), fraud.At(version)); err != nil || v.Stage != want {
			t.Errorf("%s is in %s, %v", version, v.Stage, err)
		}
	}
}

// A clock of the program's that panics takes down the call that it was called in, if that is
// not recovered; who shared the append is told, and the next change goes on.
func TestPanicInTheAppend(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	r, dir := newStore(t, &mr.Options{Now: func() time.Time {
		if armed.Load() {
			panic("no clock")
		}
		return time.Now()
	}})
	for range 3 {
		register(t, r, "", nil)
	}
	lock := flock.New(modelPath(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	archive := func(version string) (done chan error, panicked chan any) {
		done, panicked = make(chan error, 1), make(chan any, 1)
		ctx, in := queued(t.Context())
		go func() {
			defer func() {
				if p := recover(); p != nil {
					panicked <- p
				}
			}()
			_, err := r.Archive(ctx, fraud, version, nil)
			done <- err
		}()
		<-in
		return done, panicked
	}
	_, leader := archive("1.0.0")
	other, _ := archive("1.0.1")
	armed.Store(true)
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if p := <-leader; p != "no clock" {
		t.Errorf("the leader panicked with %v", p)
	}
	if err := <-other; !errors.Is(err, mr.ErrUncertain) {
		t.Errorf("who shared the append: %v", err)
	}
	armed.Store(false)
	if _, err := r.Archive(t.Context(), fraud, "1.0.2", nil); err != nil {
		t.Errorf("the next change: %v", err)
	}
}
