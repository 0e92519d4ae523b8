package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// queued returns a context, and a channel that is closed once a change with it
// waits.
func queued(ctx context.Context) (context.Context, <-chan struct{}) {
	in := make(chan struct{})
	return &procQueuedContext{ctx, sync.OnceFunc(func() { close(in) })}, in
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

// A slowStore is one that decides once and then takes until it is told to go
// on, or its context ends: as one that loses races does.
type slowStore struct {
	mr.Store
	decided chan struct{}
	goOn    chan struct{}
}

func (s *slowStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.Store.Append(context.WithoutCancel(ctx), useCase, model, func(v driver.View) (*driver.Commit, error) {
		c, err := decide(v)
		if c == nil || err != nil {
			return c, err
		}
		s.decided <- struct{}{}
		select {
		case <-s.goOn:
			return c, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// An append that is under way ends when all whose changes it holds gave up, and
// not when one who waits for the next did.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := registrytest.NewMemory(t).Open()
		s := &slowStore{memory, make(chan struct{}), make(chan struct{})}
		r := mr.New(s, nil)
		defer r.Close()
		begin := func() (cancel context.CancelFunc, result chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			result = make(chan error, 1)
			go func() {
				_, err := r.Register(ctx, fraud, artifact(), nil)
				result <- err
			}()
			return cancel, result
		}
		leave, first := begin()
		<-s.decided
		leaveNext, next := begin()
		synctest.Wait() // it stands in the queue
		leaveNext()
		if err := <-next; !errors.Is(err, context.Canceled) {
			t.Errorf("who waited and left: got error %v", err)
		}
		synctest.Wait()
		select {
		case err := <-first:
			t.Errorf("who waits still: got error %v", err)
		default:
			s.goOn <- struct{}{}
			if err := <-first; err != nil {
				t.Error(err)
			}
		}
		leave()

		leave, only := begin()
		<-s.decided
		leave()
		if err := <-only; !errors.Is(err, context.Canceled) {
			t.Errorf("the only one left: got error %v", err)
		}
		go func() { <-s.decided; s.goOn <- struct{}{} }()
		if v, err := r.Register(t.Context(), fraud, artifact(), nil); err != nil || v.Version != "1.0.1" {
			t.Errorf("after that: %s, %v", v.Version, err)
		}
	})
}

// An appendStore appends as a test says; decide is the registry's own.
type appendStore struct {
	mr.Store
	append func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error)
}

func (s *appendStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.append(ctx, useCase, model, decide)
}

// untilEnded returns a store whose appends decide, and then take until their
// context ends.
func untilEnded(t *testing.T, failed func(error) error) *appendStore {
	s := &appendStore{Store: registrytest.NewMemory(t).Open()}
	s.append = func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
		return s.Store.Append(context.WithoutCancel(ctx), useCase, model, func(v driver.View) (*driver.Commit, error) {
			if c, err := decide(v); c == nil || err != nil {
				return c, err
			}
			<-ctx.Done()
			return nil, failed(ctx.Err())
		})
	}
	return s
}

// Who ends an append is told why it ended, and still that it may have happened.
func TestEndedAppend(t *testing.T) {
	t.Parallel()
	refused := func(err error) error { return err }
	uncertain := func(err error) error { return fmt.Errorf("put: %w: %w", mr.ErrUncertain, err) }
	for name, c := range map[string]struct {
		failed    func(error) error
		want      error
		uncertain bool
		end       func(r *mr.ModelRegistry) (context.Context, context.CancelFunc)
	}{
		"canceled":                {refused, context.Canceled, false, canceled},
		"timed out":               {refused, context.DeadlineExceeded, false, timedOut},
		"closed":                  {refused, mr.ErrClosed, false, closed},
		"canceled, and who knows": {uncertain, context.Canceled, true, canceled},
		"timed out, who knows":    {uncertain, context.DeadlineExceeded, true, timedOut},
		"closed, and who knows":   {uncertain, mr.ErrClosed, true, closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for range 50 { // the end of the context and of the append come at one time
					r := mr.New(untilEnded(t, c.failed), nil)
					ctx, cancel := c.end(r)
					_, err := r.Register(ctx, fraud, artifact(), nil)
					cancel()
					if !errors.Is(err, c.want) || errors.Is(err, mr.ErrUncertain) != c.uncertain {
						t.Fatalf("got error %v", err)
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

func canceled(*mr.ModelRegistry) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	return ctx, cancel
}

func timedOut(*mr.ModelRegistry) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Second)
}

func closed(r *mr.ModelRegistry) (context.Context, context.CancelFunc) {
	time.AfterFunc(time.Second, func() { r.Close() })
	return context.Background(), func() {}
}

// Close returns also while another process holds the lock, whatever waits for
// it.
func TestCloseWhileChangesWait(t *testing.T) {
	t.Parallel()
	for range 300 {
		s := &appendStore{Store: registrytest.NewMemory(t).Open()}
		s.append = s.Store.Append
		r := mr.New(s, nil)
		register(t, r, "", nil)
		at := make(chan struct{}, 100)
		s.append = func(ctx context.Context, _, _ string, _ func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
			at <- struct{}{}
			<-ctx.Done()
			return driver.AppendResult{}, ctx.Err()
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := r.Archive(context.Background(), fraud.At("1.0.0"), nil); !errors.Is(err, mr.ErrClosed) {
					t.Errorf("got error %v", err)
				}
			})
		}
		<-at
		done := make(chan error)
		go func() { done <- r.Close() }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Close waits on")
		}
		wg.Wait()
	}
}

// threeOnAppends is a registry of three versions on a store whose appends the
// test may replace.
func threeOnAppends(t *testing.T) (s *appendStore, r *mr.ModelRegistry, versions []string) {
	t.Helper()
	s = &appendStore{Store: registrytest.NewMemory(t).Open()}
	s.append = s.Store.Append
	r = mr.New(s, nil)
	versions = []string{"1.0.0", "1.0.1", "1.0.2"}
	for range versions {
		register(t, r, "", nil)
	}
	return s, r, versions
}

// A tree that was taken away fails its own registration, and nobody's change
// that shared the append. One of which nobody knows what became of it is not
// made again, nor one that was not even begun.
func TestATreeIsGone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		decide bool
		want   error
	}{
		"gone":          {fs.ErrNotExist, true, nil},
		"and who knows": {errors.Join(mr.ErrUncertain, fs.ErrNotExist), true, mr.ErrUncertain},
		"not begun":     {fs.ErrNotExist, false, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, r, versions := threeOnAppends(t)
				defer r.Close()
				plain, goOn, appends := s.append, make(chan struct{}), 0
				s.append = func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
					if appends++; appends > 1 {
						return plain(ctx, useCase, model, decide)
					}
					<-goOn
					return plain(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
						if c.decide {
							if _, err := decide(v); err != nil {
								return nil, err
							}
						}
						return nil, c.err
					})
				}
				got := make(chan error, len(versions))
				for _, version := range versions {
					go func() {
						_, err := r.Archive(context.Background(), fraud.At(version), nil)
						got <- err
					}()
					synctest.Wait()
				}
				close(goOn)
				for range versions {
					if err := <-got; !errors.Is(err, c.want) {
						t.Errorf("got error %v, want %v", err, c.want)
					}
				}
				want := mr.Archived
				if c.want != nil {
					want = mr.Development
				}
				wantStages(t, r, map[string]mr.ModelStage{"1.0.0": want, "1.0.1": want, "1.0.2": want})
			})
		})
	}
}

// When a batch is taken apart, for a tree that is in the way of a folder, a
// panic is told those whose changes it took down, and not those whose changes
// happened.
func TestPanicInABatchTakenApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r, versions := threeOnAppends(t)
		defer r.Close()
		plain, goOn, appends := s.append, make(chan struct{}), 0
		s.append = func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
			switch appends++; appends {
			case 1:
				<-goOn
				return plain(ctx, useCase, model, func(v driver.View) (*driver.Commit, error) {
					if _, err := decide(v); err != nil {
						return nil, err
					}
					return nil, fs.ErrExist
				})
			case 3:
				panic("no store")
			}
			return plain(ctx, useCase, model, decide)
		}
		got := make(map[string]chan error)
		for i, version := range versions {
			done := make(chan error, 1)
			got[version] = done
			go func() {
				defer func() {
					if p := recover(); p != nil && i > 0 {
						t.Errorf("%s panicked with %v", version, p)
					}
				}()
				_, err := r.Archive(context.Background(), fraud.At(version), nil)
				done <- err
			}()
			synctest.Wait()
		}
		close(goOn)
		if err := <-got["1.0.2"]; !errors.Is(err, mr.ErrUncertain) {
			t.Errorf("whose change was not made: got error %v", err)
		}
		if err := <-got["1.0.1"]; !errors.Is(err, mr.ErrUncertain) {
			t.Errorf("whose change panicked: got error %v", err)
		}
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Development, "1.0.2": mr.Development})
	})
}
