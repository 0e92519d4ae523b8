package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/ledger"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A slowStore is a store whose appends decide, and then wait for goOn or for
// the end of their context. A store that loses races is as slow.
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

// A running append is canceled when all callers whose changes it holds have
// given up. A caller that waits for the next append does not cancel this one.
func TestAppendIsCanceledWhenAllCallersGaveUp(t *testing.T) {
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
		synctest.Wait() // until its change is in the queue
		leaveNext()
		if err := <-next; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller that gave up in the queue got error %v, want context.Canceled", err)
		}
		synctest.Wait()
		select {
		case err := <-first:
			t.Errorf("the caller of the running append got error %v, want that it still waits", err)
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
			t.Errorf("the only caller gave up and got error %v, want context.Canceled", err)
		}
		go func() { <-s.decided; s.goOn <- struct{}{} }()
		if v, err := r.Register(t.Context(), fraud, artifact(), nil); err != nil || v.Version != "1.0.1" {
			t.Errorf("the next registration got %q, %v, want 1.0.1", v.Version, err)
		}
	})
}

// An appendStore is a store whose Append calls a function of the test. decide
// is the registry's.
type appendStore struct {
	mr.Store
	append func(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error)
}

func (s *appendStore) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	return s.append(ctx, useCase, model, decide)
}

// untilEnded returns a store whose appends decide, wait for the end of their
// context, and then return what failed makes of its error.
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

// A caller whose append is ended gets the reason, and ErrUncertain as well if
// the append may have happened.
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
		"canceled":                 {refused, context.Canceled, false, canceled},
		"timed out":                {refused, context.DeadlineExceeded, false, timedOut},
		"closed":                   {refused, mr.ErrClosed, false, closed},
		"canceled, and uncertain":  {uncertain, context.Canceled, true, canceled},
		"timed out, and uncertain": {uncertain, context.DeadlineExceeded, true, timedOut},
		"closed, and uncertain":    {uncertain, mr.ErrClosed, true, closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for range 50 { // because the context and the append end at the same time
					r := mr.New(untilEnded(t, c.failed), nil)
					ctx, cancel := c.end(r)
					_, err := r.Register(ctx, fraud, artifact(), nil)
					cancel()
					if !errors.Is(err, c.want) || errors.Is(err, mr.ErrUncertain) != c.uncertain {
						t.Fatalf("got error %v, want %v, uncertain: %t", err, c.want, c.uncertain)
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

// Close returns while changes wait for a lock that another process holds. The
// changes get ErrClosed.
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
					t.Errorf("got error %v, want ErrClosed", err)
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
		case <-time.After(time.Minute):
			t.Fatal("Close has not returned after a minute")
		}
		wg.Wait()
	}
}

// A lateContext has no error before the first call of Done, and is canceled
// from then on.
type lateContext struct {
	context.Context
	asked atomic.Bool
	done  chan struct{}
}

func (c *lateContext) Done() <-chan struct{} { c.asked.Store(true); return c.done }

func (c *lateContext) Err() error {
	if c.asked.Load() {
		return context.Canceled
	}
	return nil
}

// A context that ends while its change enters the queue ends that call only.
// Later changes succeed.
func TestContextEndsAsTheChangeBegins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, dir, nil)
	if _, err := r.Register(t.Context(), fraud, twoFiles("first"), nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	close(ended)
	for range 200 {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("Archive panicked with %v", p)
				}
			}()
			_, err := r.Archive(&lateContext{Context: t.Context(), done: ended}, fraud.At("1.0.0"), nil)
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}()
	}
	if _, err := r.Register(t.Context(), fraud, twoFiles("second"), nil); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Complete(modelPath(dir), 2); err != nil {
		t.Error(err)
	}
}
