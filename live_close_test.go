package modelregistry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A T is closed when its last user releases it. Until then a third T is not
// loaded.
func TestLiveWaitsForUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p, l := serving(t, nil)
		a, err := l.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := l.Acquire()
		inProduction(t, r, "1.0.1")
		tick()
		wantServing(t, l, "1.0.1")
		if a.Value().version != "1.0.0" || a.Version().Version != "1.0.0" || a.Value().closed {
			t.Errorf("the lease has %+v, want 1.0.0, not closed", a.Value())
		}
		inProduction(t, r, "1.0.2", "1.0.3")
		time.Sleep(time.Hour)
		wantServing(t, l, "1.0.1")
		p.want("made 1.0.0 1.0.1, closed ")
		if s := l.Status(); s.Draining != "1.0.0" || s.Wanted != "1.0.3" {
			t.Errorf("got status %+v, want 1.0.0 draining and 1.0.3 wanted", s)
		}
		a.Release()
		a.Release() // does nothing, so b still holds it
		synctest.Wait()
		p.want("made 1.0.0 1.0.1, closed ")
		b.Release()
		synctest.Wait()
		wantServing(t, l, "1.0.3") // 1.0.2 was never loaded
		p.want("made 1.0.0 1.0.1 1.0.3, closed 1.0.0 1.0.1")
		for what, use := range map[string]func(){"Value": func() { a.Value() }, "Version": func() { a.Version() }} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s returned after the release, want a panic", what)
					}
				}()
				use()
			}()
		}
		// A panic in the caller's function also releases its T.
		func() {
			defer func() { recover() }()
			l.Do(func(*thing, *mr.ModelVersion) error { panic("mine") })
		}()
		promote(t, r, "1.0.0", mr.Production)
		tick()
		p.want("made 1.0.0 1.0.1 1.0.3 1.0.0, closed 1.0.0 1.0.1 1.0.3")
	})
}

func TestLiveClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		inProduction(t, r, "1.0.0")
		p := newPlant(t)
		l, err := mr.NewLive(t.Context(), r, fraud.In(mr.Production), p.load, nil)
		if err != nil {
			t.Fatal(err)
		}
		old, _ := l.Acquire()
		inProduction(t, r, "1.0.1")
		tick()
		now, _ := l.Acquire()
		broken := errors.New("broken")
		now.Value().err = broken
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown while both T are in use: got %v, want DeadlineExceeded", err)
			}
			cancel()
		}
		p.want("made 1.0.0 1.0.1, closed ")
		if err := l.Do(func(*thing, *mr.ModelVersion) error { t.Error("Do called the function after Shutdown"); return nil }); err != mr.ErrClosed {
			t.Errorf("Do: got %v, want ErrClosed", err)
		}
		if lease, err := l.Acquire(); err != mr.ErrClosed {
			t.Errorf("Acquire: got %v, want ErrClosed", err)
		} else {
			lease.Release()
		}
		now.Release()
		synctest.Wait()
		p.want("made 1.0.0 1.0.1, closed 1.0.1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown while the old T is in use: got %v, want DeadlineExceeded", err)
		}
		old.Release()
		for range 2 {
			if err := l.Close(); !errors.Is(err, broken) {
				t.Errorf("Close: got %v, want the error %q of the T's Close", err, broken)
			}
		}
		p.want("made 1.0.0 1.0.1, closed 1.0.1 1.0.0")
	})
}

// Close waits for a running load, and closes the T that it made.
func TestLiveCloseWhileLoading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p, l := serving(t, nil)
		p.delay = time.Minute
		inProduction(t, r, "1.0.1")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := l.Status(); s.Loading != "1.0.1" || s.Wanted != "1.0.1" || time.Since(s.LastCheck) > time.Second {
			t.Errorf("got status %+v, want 1.0.1 loading and a check within the last second", s)
		}
		wantServing(t, l, "1.0.0")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.want("made 1.0.0 1.0.1, closed 1.0.1 1.0.0")
	})
}
