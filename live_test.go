package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A plant makes things of versions, and knows what becomes of each.
type plant struct {
	t testing.TB

	mu     sync.Mutex
	open   int
	most   int
	made   []string
	shut   []string
	broken map[string]func() error // what loading a version does instead
	delay  time.Duration
}

// A thing is a model in memory.
type thing struct {
	p       *plant
	version string
	weights string
	closed  bool
	err     error
}

func newPlant(t testing.TB) *plant { return &plant{t: t, broken: map[string]func() error{}} }

// load counts a thing from when it begins to be made.
func (p *plant) load(ctx context.Context, m *mr.Model) (x *thing, err error) {
	p.mu.Lock()
	bad := p.broken[m.Version.Version]
	p.open++
	p.most = max(p.most, p.open)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if x == nil {
			p.open--
			return
		}
		p.made = append(p.made, m.Version.Version)
	}()
	if p.delay > 0 {
		time.Sleep(p.delay)
	}
	if bad != nil {
		if err := bad(); err != nil {
			return nil, err
		}
	}
	weights, err := os.ReadFile(filepath.Join(m.Path, "weights.bin"))
	if err != nil {
		return nil, err
	}
	return &thing{p: p, version: m.Version.Version, weights: string(weights)}, nil
}

func (p *plant) breaks(version string, how func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[version] = how
}

func (x *thing) Close() error {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	if x.closed {
		x.p.t.Errorf("%s is closed twice", x.version)
	}
	x.closed = true
	x.p.open--
	x.p.shut = append(x.p.shut, x.version)
	return x.err
}

// state tells what was made and closed.
func (p *plant) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("made %s, closed %s", strings.Join(p.made, " "), strings.Join(p.shut, " "))
}

func (p *plant) want(state string) {
	p.t.Helper()
	if got := p.state(); got != state {
		p.t.Errorf("%s\nwant %s", got, state)
	}
}

func wantServing(t testing.TB, l *mr.Live[*thing], version string) {
	t.Helper()
	err := l.Do(func(x *thing, v *mr.ModelVersion) error {
		if x.version != version || v.Version != version || x.closed || x.weights == "" {
			return fmt.Errorf("%s by %s (closed: %t), want %s", v.Version, x.version, x.closed, version)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s := l.Status(); s.Version.Version != version {
		t.Errorf("the status says %s serves, want %s", s.Version.Version, version)
	}
}

func goLive(t testing.TB, r *mr.ModelRegistry, ref mr.Ref, p *plant, o *mr.LiveOptions[*thing]) *mr.Live[*thing] {
	t.Helper()
	l, err := mr.NewLive(t.Context(), r, ref, p.load, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if p.most > 2 {
			t.Errorf("%d in memory at once", p.most)
		}
		if p.open != 0 {
			t.Errorf("%d left in memory", p.open)
		}
	})
	return l
}

// serving has 1.0.0 in production live.
func serving(t testing.TB, o *mr.LiveOptions[*thing]) (*mr.ModelRegistry, *plant, *mr.Live[*thing]) {
	t.Helper()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	p := newPlant(t)
	return r, p, goLive(t, r, fraud.In(mr.Production), p, o)
}

// tick lets as much time pass as a change may take to be followed.
func tick() { time.Sleep(mr.DefaultInterval); synctest.Wait() }

func TestLiveFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dir := newStore(t, nil)
		other := openStore(t, dir, nil)
		inProduction(t, other, "1.0.0")
		p := newPlant(t)
		l := goLive(t, r, fraud.In(mr.Production), p, nil)
		wantServing(t, l, "1.0.0")
		start := l.Status().Since
		inProduction(t, other, "1.0.1")
		tick()
		wantServing(t, l, "1.0.1")
		p.want("made 1.0.0 1.0.1, closed 1.0.0")
		if s := l.Status(); !s.Since.After(start) || s.LastCheck != time.Now() || s.LastError != nil || s.Wanted != "1.0.1" || s.Loading || s.Draining != "" {
			t.Errorf("status %+v", s)
		}
		if _, err := other.Rollback(t.Context(), fraud, nil); err != nil {
			t.Fatal(err)
		}
		tick()
		wantServing(t, l, "1.0.0")
		// What leaves the version as it is leaves the T as it is.
		since := l.Status().Since
		for range 3 {
			promote(t, other, "1.0.1", mr.Production)
			promote(t, other, "1.0.0", mr.Production)
			tick()
		}
		wantServing(t, l, "1.0.0")
		if l.Status().Since != since {
			t.Error("it was loaded again")
		}
		p.want("made 1.0.0 1.0.1 1.0.0, closed 1.0.0 1.0.1")
		// With nothing in production, the last good one stays.
		if _, err := other.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
			t.Fatal(err)
		}
		tick()
		wantServing(t, l, "1.0.0")
		if s := l.Status(); !errors.Is(s.LastError, mr.ErrNotFound) || s.LastCheck != time.Now() || s.Wanted != "" {
			t.Errorf("status %+v", s)
		}
		promote(t, other, "1.0.0", mr.Production)
		tick()
		if s := l.Status(); s.LastError != nil || s.Since != since {
			t.Errorf("status %+v", s)
		}
	})
}

func TestLiveFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dir := newStore(t, nil)
		p := newPlant(t)
		none := func(ref mr.Ref, o *mr.LiveOptions[*thing], is error) {
			t.Helper()
			l, err := mr.NewLive(t.Context(), r, ref, p.load, o)
			if l != nil {
				t.Error("it lives")
			}
			wantError(t, err, "serve", fraud, ref.Version, is)
		}
		none(fraud.In(mr.Production), nil, mr.ErrNotFound)
		none(fraud.In("prod"), nil, mr.ErrInvalid)
		inProduction(t, r, "1.0.0")
		bad := errors.New("bad")
		none(fraud.In(mr.Production), &mr.LiveOptions[*thing]{Check: func(context.Context, *thing) error { return bad }}, bad)
		p.want("made 1.0.0, closed 1.0.0")
		p.breaks("1.0.0", func() error { return bad })
		none(fraud.At("1.0.0"), nil, bad)
		p.breaks("1.0.0", func() error { panic(bad) })
		none(fraud.At("1.0.0"), nil, bad)
		overwriteArtifact(t, dir, "1.0.0")
		none(fraud.In(mr.Production), nil, mr.ErrArtifact)
	})
}

// The context bounds the first load: what fails by its end leaves nothing open,
// what was made in spite of it serves.
func TestLiveFirstWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		inProduction(t, r, "1.0.0")
		p := newPlant(t)
		for _, heeds := range []bool{true, false} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			load := func(ctx context.Context, m *mr.Model) (*thing, error) {
				<-ctx.Done()
				if heeds {
					return nil, ctx.Err()
				}
				return p.load(ctx, m)
			}
			l, err := mr.NewLive(ctx, r, fraud.In(mr.Production), load, nil)
			cancel()
			if heeds {
				wantError(t, err, "serve", fraud, "", context.DeadlineExceeded)
				p.want("made , closed ")
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			wantServing(t, l, "1.0.0")
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			p.want("made 1.0.0, closed 1.0.0")
		}
	})
}

// The first pause after a failure is Retry, but never longer than MaxRetry.
func TestLiveRetry(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for _, test := range []struct{ retry, most, first, second time.Duration }{
		{0, 0, time.Second, 2 * time.Second},
		{minute, 0, minute, 2 * minute},
		{10 * minute, 0, 10 * minute, 10 * minute},
		{10 * minute, minute, minute, minute},
		{minute, 90 * time.Second, minute, 90 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, p, l := serving(t, &mr.LiveOptions[*thing]{Retry: test.retry, MaxRetry: test.most})
			p.breaks("1.0.1", func() error { return errors.New("broken") })
			inProduction(t, r, "1.0.1")
			tick()
			for i, want := range []time.Duration{test.first, test.second} {
				s := l.Status()
				if got := s.NextTry.Sub(s.LastErrorAt); got != want || s.Failures != i+1 {
					t.Errorf("%v up to %v: failure %d is followed by a pause of %v, want %v", test.retry, test.most, s.Failures, got, want)
				}
				time.Sleep(want)
				synctest.Wait()
			}
		})
	}
}

// overwriteArtifact changes a byte of a version's artifact, and nothing that a
// stat shows but the time.
func overwriteArtifact(t testing.TB, dir, version string) {
	t.Helper()
	name := modelPath(dir, "versions", version, "model", "weights.bin")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, "WEIGHTS")
}

// Whatever is wrong with a version: the last good one goes on serving, the
// failure shows, it is tried again with growing pauses, and a later change is
// followed at once.
func TestLiveKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad weights")
	for name, test := range map[string]struct {
		broken func(t *testing.T, p *plant, dir string)
		mend   func(p *plant)
		is     error
		says   string
	}{
		"load fails":  {func(_ *testing.T, p *plant, _ string) { p.breaks("1.0.1", func() error { return bad }) }, func(p *plant) { p.breaks("1.0.1", nil) }, bad, "bad weights"},
		"load panics": {func(_ *testing.T, p *plant, _ string) { p.breaks("1.0.1", func() error { panic("ouch") }) }, func(p *plant) { p.breaks("1.0.1", nil) }, nil, "panicked: ouch"},
		"load exits": {func(_ *testing.T, p *plant, _ string) {
			p.breaks("1.0.1", func() error { runtime.Goexit(); return nil })
		}, func(p *plant) { p.breaks("1.0.1", nil) }, nil, "Goexit"},
		"check fails":  {nil, nil, bad, "warm-up: bad weights"},
		"check panics": {nil, nil, nil, "panicked: ouch"},
		"digest":       {func(t *testing.T, _ *plant, dir string) { overwriteArtifact(t, dir, "1.0.1") }, nil, mr.ErrArtifact, "weights.bin was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, dir := newStore(t, nil)
				inProduction(t, r, "1.0.0")
				register(t, r, "1.0.1", nil)
				p := newPlant(t)
				var tries []time.Duration
				var start time.Time
				failing := true
				var logged bytes.Buffer
				l := goLive(t, r, fraud.In(mr.Production), p, &mr.LiveOptions[*thing]{
					MaxRetry: 10 * time.Second,
					Logger:   slog.New(slog.NewTextHandler(&logged, nil)),
					Check: func(_ context.Context, x *thing) error {
						if x.version != "1.0.1" || !strings.HasPrefix(name, "check") || !failing {
							return nil
						}
						tries = append(tries, time.Since(start))
						if name == "check panics" {
							panic("ouch")
						}
						return bad
					},
				})
				if test.broken != nil {
					test.broken(t, p, dir)
				}
				before := p.broken["1.0.1"]
				if before != nil {
					p.breaks("1.0.1", func() error { tries = append(tries, time.Since(start)); return before() })
				}
				start = time.Now()
				// Promoted by force: the registry itself refuses damaged files.
				foreignTurn(t, dir, func(versions map[string]map[string]any) {
					versions["1.0.0"]["stage"], versions["1.0.1"]["stage"] = "archived", "production"
				})
				time.Sleep(60 * time.Second)
				synctest.Wait()
				wantServing(t, l, "1.0.0")
				s := l.Status()
				if s.Wanted != "1.0.1" || s.LastError == nil || test.is != nil && !errors.Is(s.LastError, test.is) || !strings.Contains(s.LastError.Error(), test.says) {
					t.Errorf("status %+v", s)
				}
				if s.Failures != 9 || s.NextTry.Sub(start) != 66*time.Second || s.LastErrorAt.Sub(start) != 56*time.Second {
					t.Errorf("%d failures, the last after %v, next try after %v", s.Failures, s.LastErrorAt.Sub(start), s.NextTry.Sub(start))
				}
				if text := logged.String(); !strings.Contains(text, "model not loaded") || !strings.Contains(text, "version=1.0.1") {
					t.Errorf("logged: %s", text)
				}
				if name != "digest" {
					want := []time.Duration{1, 2, 4, 8, 16, 26, 36, 46, 56}
					for i := range want {
						want[i] *= time.Second
					}
					if fmt.Sprint(tries) != fmt.Sprint(want) {
						t.Errorf("tried after %v, want %v", tries, want)
					}
				}
				// A later change is followed at once, and then the broken one
				// again, if it is mended.
				inProduction(t, r, "1.0.2")
				tick()
				wantServing(t, l, "1.0.2")
				if s := l.Status(); s.Failures != 0 || s.LastError != nil || !s.NextTry.IsZero() {
					t.Errorf("status %+v", s)
				}
				if name == "digest" {
					return
				}
				failing = false
				p.breaks("1.0.1", nil)
				promote(t, r, "1.0.1", mr.Production)
				tick()
				wantServing(t, l, "1.0.1")
			})
		})
	}
}

// A T is closed when its last user is done, and no third is loaded before.
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
			t.Errorf("the lease has %+v", a.Value())
		}
		inProduction(t, r, "1.0.2", "1.0.3")
		time.Sleep(time.Hour)
		wantServing(t, l, "1.0.1")
		p.want("made 1.0.0 1.0.1, closed ")
		if s := l.Status(); s.Draining != "1.0.0" || s.Wanted != "1.0.3" {
			t.Errorf("status %+v", s)
		}
		a.Release()
		a.Release() // does nothing, so b still holds it
		synctest.Wait()
		p.want("made 1.0.0 1.0.1, closed ")
		b.Release()
		synctest.Wait()
		wantServing(t, l, "1.0.3") // and 1.0.2 never was
		p.want("made 1.0.0 1.0.1 1.0.3, closed 1.0.0 1.0.1")
		for what, use := range map[string]func(){"Value": func() { a.Value() }, "Version": func() { a.Version() }} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s after the release does not panic", what)
					}
				}()
				use()
			}()
		}
		// A panic of the caller's releases too.
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
				t.Errorf("got %v", err)
			}
			cancel()
		}
		p.want("made 1.0.0 1.0.1, closed ")
		if err := l.Do(func(*thing, *mr.ModelVersion) error { t.Error("it serves"); return nil }); err != mr.ErrClosed {
			t.Errorf("got %v", err)
		}
		if lease, err := l.Acquire(); err != mr.ErrClosed {
			t.Errorf("got %v", err)
		} else {
			lease.Release()
		}
		now.Release()
		synctest.Wait()
		p.want("made 1.0.0 1.0.1, closed 1.0.1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		old.Release()
		for range 2 {
			if err := l.Close(); !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
		}
		p.want("made 1.0.0 1.0.1, closed 1.0.1 1.0.0")
	})
}

// Close waits for a load under way, and what it made is closed.
func TestLiveCloseWhileLoading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, p, l := serving(t, nil)
		p.delay = time.Minute
		inProduction(t, r, "1.0.1")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := l.Status(); !s.Loading || s.Wanted != "1.0.1" || time.Since(s.LastCheck) > time.Second {
			t.Errorf("status %+v", s)
		}
		wantServing(t, l, "1.0.0")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.want("made 1.0.0 1.0.1, closed 1.0.1 1.0.0")
	})
}

// What was withdrawn while it was loaded does not come into use; a version of a
// range that is only overtaken does.
func TestLiveOvertaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		inProduction(t, r, "1.0.0")
		p, q := newPlant(t), newPlant(t)
		l := goLive(t, r, fraud.In(mr.Production), p, nil)
		latest := goLive(t, r, fraud.Matching(mr.Latest), q, nil)
		p.delay, q.delay = time.Minute, time.Minute
		inProduction(t, r, "1.0.1")
		time.Sleep(10 * time.Second)
		if _, err := r.Rollback(t.Context(), fraud, nil); err != nil { // archives 1.0.1
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		wantServing(t, l, "1.0.0")
		wantServing(t, latest, "1.0.0")
		p.want("made 1.0.0 1.0.1, closed 1.0.1")
		q.want("made 1.0.0 1.0.1, closed 1.0.1")
		register(t, r, "1.0.2", nil)
		time.Sleep(10 * time.Second)
		register(t, r, "1.0.3", nil)
		time.Sleep(55 * time.Second)
		wantServing(t, latest, "1.0.2")
		time.Sleep(time.Hour)
		wantServing(t, latest, "1.0.3")
		register(t, r, "1.0.4", nil)
		time.Sleep(10 * time.Second)
		if _, err := r.Archive(t.Context(), fraud.At("1.0.4"), nil); err != nil {
			t.Fatal(err)
		}
		register(t, r, "1.0.5", nil)
		time.Sleep(55 * time.Second)
		wantServing(t, latest, "1.0.3")
		time.Sleep(time.Hour)
		wantServing(t, latest, "1.0.5")
	})
}

func TestLiveStatusJSON(t *testing.T) {
	t.Parallel()
	at := oclock(5)
	s := mr.LiveStatus{Ref: fraud.In(mr.Production), Version: mr.ModelVersion{Version: "1.0.0"}, Since: at, Wanted: "1.0.1", Failures: 2, NextTry: at,
		LastCheck: at, LastError: errors.New("broken"), LastErrorAt: at}
	const when = `"2026-11-23T05:00:00.000000+00:00"`
	want := `{"ref":"fraud_detection/FraudRiskModel@production","version":"1.0.0","since":` + when + `,"wanted":"1.0.1","loading":false,"failures":2,"next_try":` +
		when + `,"last_check":` + when + `,"last_error":"broken","last_error_at":` + when + `}`
	if got := mustJSON(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := mustJSON(t, mr.LiveStatus{}); !strings.Contains(got, `"last_error":null`) {
		t.Errorf("got %s", got)
	}
}

// Do and Acquire answer whatever the rest waits for: a load, a warm-up, the
// closing of what was replaced, and any lock that there is.
func TestLiveTakesNoLock(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	p := newPlant(t)
	reached, goOn := make(chan string), make(chan struct{})
	block := func(what string) { // until the test is over at the latest, so that Close returns
		select {
		case reached <- what:
		case <-t.Context().Done():
		}
		select {
		case <-goOn:
		case <-t.Context().Done():
		}
	}
	p.breaks("1.0.1", func() error { block("load"); return nil })
	l := goLive(t, r, fraud.In(mr.Production), p, &mr.LiveOptions[*thing]{
		Interval: time.Millisecond,
		Check: func(_ context.Context, x *thing) error {
			if x.version == "1.0.1" {
				block("check")
			}
			return nil
		},
		Close: func(x *thing) error {
			if x.version == "1.0.0" {
				block("close")
			}
			return x.Close()
		},
	})
	answers := func(while, version string) {
		t.Helper()
		done := make(chan error, 1)
		go func() {
			lease, err := l.Acquire()
			defer lease.Release()
			done <- errors.Join(err, l.Do(func(x *thing, _ *mr.ModelVersion) error {
				if x.version != version || x != lease.Value() {
					return fmt.Errorf("during %s %s answers, and %s", while, x.version, lease.Value().version)
				}
				return nil
			}))
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("during %s nothing answers", while)
		}
	}
	inProduction(t, r, "1.0.1")
	for _, step := range [][2]string{{"load", "1.0.0"}, {"check", "1.0.0"}, {"close", "1.0.1"}} {
		if got := <-reached; got != step[0] {
			t.Fatalf("%s comes before %s", got, step[0])
		}
		answers(step[0], step[1])
		l.WithLocks(func() { answers(step[0]+" with all locks taken", step[1]) })
		goOn <- struct{}{}
	}
}

func TestLiveAllocatesNothing(t *testing.T) {
	_, _, l := serving(t, &mr.LiveOptions[*thing]{Interval: time.Hour})
	used := 0
	for name, use := range map[string]func(){
		"Do": func() {
			l.Do(func(x *thing, v *mr.ModelVersion) error { used += len(x.version); return nil })
		},
		"Acquire": func() {
			lease, err := l.Acquire()
			if err == nil {
				used += len(lease.Value().version)
			}
			lease.Release()
		},
	} {
		if n := testing.AllocsPerRun(1000, use); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if used == 0 {
		t.Error("nothing was used")
	}
}
