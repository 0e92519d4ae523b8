package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
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

// A queuedContext calls queued when it is waited for: its change is in the queue
// then.
type queuedContext struct {
	context.Context
	queued func()
}

func (c *queuedContext) Done() <-chan struct{} { c.queued(); return c.Context.Done() }

// queued returns a context, and a channel that is closed once a change with it
// waits.
func queued(ctx context.Context) (context.Context, <-chan struct{}) {
	in := make(chan struct{})
	return &queuedContext{ctx, sync.OnceFunc(func() { close(in) })}, in
}

// Whoever makes the append for others as well leaves when its own context ends,
// and the others' changes happen all the same.
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

// Of changes that share an append each has its own result and its own error,
// and one that fails harms none of its neighbours.
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
		if c.err != mr.ErrNotFound { // which is told at once
			<-in
		}
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	for i, c := range changes {
		switch got := <-c.done; {
		case !errors.Is(got.err, c.err):
			t.Errorf("change %d: %v, want %v", i, got.err, c.err)
		case c.err == nil && fmt.Sprint(got.v.Version, " ", got.v.Stage) != c.want:
			t.Errorf("change %d: %s is in %s, want %s", i, got.v.Version, got.v.Stage, c.want)
		}
	}
	wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production,
		"1.0.2": mr.Development, "1.0.3": mr.Archived, "2.0.0": mr.Development})
}

// A change that finds nobody before it waits for no other: the clock of a
// bubble stands still unless all wait.
func TestLoneChangeDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := openStore(t, t.TempDir(), nil)
		start := time.Now()
		register(t, r, "1.0.0", nil)
		promote(t, r, "1.0.0", mr.Production)
		if took := time.Since(start); took != 0 {
			t.Errorf("it waited for %v", took)
		}
	})
}

// A clock of the program's that panics takes down the call that it was called
// in, if that is not recovered; who shared the append is told, and the next
// change goes on.
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
		t.Errorf("the leader panicked with %v", p)
	}
	if err := <-other; !errors.Is(err, mr.ErrUncertain) {
		t.Errorf("who shared the append: %v", err)
	}
	armed.Store(false)
	if _, err := r.Archive(t.Context(), fraud.At("1.0.2"), nil); err != nil {
		t.Errorf("the next change: %v", err)
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

// twoFiles is an artifact that ledger.Complete knows.
func twoFiles(text string) mr.Artifact {
	return mr.FromFunc(func(dir string) error { return ledger.Save(dir, text) })
}

// Changes that share an append see the effect of those before them. If the
// append fails, none of them happened: a change that found its work done, or
// another in its way, must not report that.
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
		var armed atomic.Bool
		queued := make(chan struct{})
		once := sync.OnceFunc(func() { close(queued) })
		results[i] = make(chan error, 1)
		ctx := &queuedContext{t.Context(), func() {
			if armed.Load() {
				once()
			}
		}}
		if i < 2 {
			armed.Store(true)
		}
		go func() { results[i] <- op(ctx) }()
		if i < 2 {
			<-queued
			continue
		}
		// A registration asks for the end of its context while it hashes, too;
		// it is in the queue once its tree is sealed and the staging stands
		// still.
		armed.Store(true)
		staging := modelPath(dir, ".staging")
		deadline := time.Now().Add(10 * time.Second)
		for {
			if sealed, _ := filepath.Glob(filepath.Join(staging, "*", "tree", "manifest.json")); len(sealed) == i-1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("waited in vain for the tree")
			}
			runtime.Gosched()
		}
		<-queued
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	for i, result := range results {
		if err := <-result; !errors.Is(err, errHistory) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	fail.Store(false)
	wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": mr.Development})
	if err := ledger.Complete(modelPath(dir), 1); err != nil {
		t.Error(err)
	}
}
