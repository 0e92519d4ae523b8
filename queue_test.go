package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

// A queuedContext calls queued when a change waits for it. The change is in the
// queue then.
type queuedContext struct {
	context.Context
	queued func()
}

func (c *queuedContext) Done() <-chan struct{} { c.queued(); return c.Context.Done() }

// queued returns a context and a channel. The channel is closed once a change
// with that context waits.
func queued(ctx context.Context) (context.Context, <-chan struct{}) {
	in := make(chan struct{})
	return &queuedContext{ctx, sync.OnceFunc(func() { close(in) })}, in
}

// The leader of a batch returns when its own context ends. The other changes of
// the batch are made all the same.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for range 4 {
		register(t, r, "", nil)
	}
	lock := holdLock(t, dir)
	archive := func(ctx context.Context, version string) chan error {
		ctx, in := queued(ctx)
		done := make(chan error, 1)
		go func() {
			_, err := r.Archive(ctx, fraud.At(version), nil)
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
			t.Errorf("the leader got error %v, want context.Canceled", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the leader still waits, a minute after its context ended")
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

// Each change of a batch has its own result and its own error. A change that
// fails does no harm to the others.
func TestSharedAppendFailsForSome(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for range 4 {
		register(t, r, "", nil)
	}
	lock := holdLock(t, dir)
	archive := func(version string) func(context.Context) (mr.ModelVersion, error) {
		return func(ctx context.Context) (mr.ModelVersion, error) { return r.Archive(ctx, fraud.At(version), nil) }
	}
	first := func(version string) func(context.Context) (mr.ModelVersion, error) {
		return func(ctx context.Context) (mr.ModelVersion, error) {
			return r.Promote(ctx, fraud.At(version), mr.Production, &mr.MoveOptions{IfProduction: mr.NoVersion})
		}
	}
	pinned := func(ctx context.Context) (mr.ModelVersion, error) {
		return r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: "2.0.0"})
	}
	type outcome struct {
		v   mr.ModelVersion
		err error
	}
	changes := []struct {
		do   func(context.Context) (mr.ModelVersion, error)
		want string
		err  error
		done chan outcome
	}{
		{do: archive("1.0.0"), want: "1.0.0 archived"},
		{do: first("1.0.1"), want: "1.0.1 production"},
		{do: first("1.0.2"), err: mr.ErrConflict},
		{do: pinned, want: "2.0.0 development"},
		{do: archive("1.0.9"), err: mr.ErrNotFound},
		{do: archive("1.0.3"), want: "1.0.3 archived"},
	}
	for i := range changes {
		c := &changes[i]
		c.done = make(chan outcome, 1)
		ctx, in := queued(t.Context())
		go func() {
			v, err := c.do(ctx)
			c.done <- outcome{v, err}
		}()
		if c.err != mr.ErrNotFound { // which is returned at once
			<-in
		}
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	for i, c := range changes {
		switch got := <-c.done; {
		case !errors.Is(got.err, c.err):
			t.Errorf("change %d: got error %v, want %v", i, got.err, c.err)
		case c.err == nil && fmt.Sprint(got.v.Version, " ", got.v.Stage) != c.want:
			t.Errorf("change %d: %s is in %s, want %s", i, got.v.Version, got.v.Stage, c.want)
		}
	}
	wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production,
		"1.0.2": mr.Development, "1.0.3": mr.Archived, "2.0.0": mr.Development})
}

// A change that finds the queue empty does not wait for other changes. The test
// sees a wait because a bubble's clock moves only while all its goroutines
// wait.
func TestLoneChangeDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := openStore(t, t.TempDir(), nil)
		start := time.Now()
		register(t, r, "1.0.0", nil)
		promote(t, r, "1.0.0", mr.Production)
		if took := time.Since(start); took != 0 {
			t.Errorf("the changes waited for %v, want no wait", took)
		}
	})
}

// If the program's clock panics, the leader's call panics. The other changes of
// the batch get ErrUncertain, and the next change succeeds.
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
	lock := holdLock(t, dir)
	archive := func(version string) (done chan error, panicked chan any) {
		done, panicked = make(chan error, 1), make(chan any, 1)
		ctx, in := queued(t.Context())
		go func() {
			defer func() {
				if p := recover(); p != nil {
					panicked <- p
				}
			}()
			_, err := r.Archive(ctx, fraud.At(version), nil)
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
		t.Errorf("the leader panicked with %v, want \"no clock\"", p)
	}
	if err := <-other; !errors.Is(err, mr.ErrUncertain) {
		t.Errorf("the other change of the batch got error %v, want ErrUncertain", err)
	}
	armed.Store(false)
	if _, err := r.Archive(t.Context(), fraud.At("1.0.2"), nil); err != nil {
		t.Errorf("the next change got error %v, want none", err)
	}
}

// A historyDisk fails to open the history for writing.
type historyDisk struct {
	fsstore.Disk
	fail *atomic.Bool
}

var errHistory = errors.New("no space left")

func (d historyDisk) Open(name string) (fsstore.File, error) {
	if d.fail.Load() && strings.HasSuffix(name, "history.jsonl") {
		return nil, errHistory
	}
	return d.Disk.Open(name)
}

// twoFiles returns an artifact that ledger.Complete can check.
func twoFiles(text string) mr.Artifact {
	return mr.FromFunc(func(dir string) error { return ledger.Save(dir, text) })
}

// A change sees the effect of the changes before it in its batch. If the append
// fails, none of them happened. So a change that found its work done, or its
// version taken, must report the failure instead.
func TestFailedAppendFailsAllThatBuiltOnIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var fail atomic.Bool
	r, err := mr.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return historyDisk{d, &fail} })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Register(t.Context(), fraud, twoFiles("first"), nil); err != nil {
		t.Fatal(err)
	}
	lock := holdLock(t, dir)
	fail.Store(true)
	pinned := &mr.RegisterOptions{Version: "3.0.0"}
	ops := []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := r.Archive(ctx, fraud.At("1.0.0"), nil); return err },
		func(ctx context.Context) error { _, err := r.Archive(ctx, fraud.At("1.0.0"), nil); return err },
		func(ctx context.Context) error {
			_, err := r.Register(ctx, fraud, twoFiles("a"), pinned)
			return err
		},
		func(ctx context.Context) error {
			_, err := r.Register(ctx, fraud, twoFiles("b"), pinned)
			return err
		},
	}
	results := make([]chan error, len(ops))
	for i, op := range ops {
		// A registration also waits for its context while it hashes. It is in
		// the queue at the first wait after its manifest is written.
		manifests := max(0, i-1) // of the registrations up to this one
		in := make(chan struct{})
		enter := sync.OnceFunc(func() { close(in) })
		ctx := &queuedContext{t.Context(), func() {
			if sealed, _ := filepath.Glob(modelPath(dir, ".staging", "*", "tree", "manifest.json")); len(sealed) == manifests {
				enter()
			}
		}}
		results[i] = make(chan error, 1)
		go func() { results[i] <- op(ctx) }()
		select {
		case <-in:
		case err := <-results[i]:
			t.Fatalf("change %d did not wait for the lock, and got error %v", i, err)
		}
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if err := <-result; !errors.Is(err, errHistory) {
			t.Errorf("change %d: got error %v, want %v", i, err, errHistory)
		}
	}
	fail.Store(false)
	wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": mr.Development})
	if err := ledger.Complete(modelPath(dir), 1); err != nil {
		t.Error(err)
	}
}
