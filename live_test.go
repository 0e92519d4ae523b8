package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

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
		if s := l.Status(); !s.Since.After(start) || s.LastCheck != time.Now() || s.LastError != nil || s.Wanted != "1.0.1" || s.Loading != "" || s.Draining != "" {
			t.Errorf("got status %+v, want 1.0.1 served and wanted, no error, nothing loading or draining", s)
		}
		if _, err := other.Rollback(t.Context(), fraud, nil); err != nil {
			t.Fatal(err)
		}
		tick()
		wantServing(t, l, "1.0.0")
		// Moves that end at the same version between two checks keep the T.
		since := l.Status().Since
		for range 3 {
			promote(t, other, "1.0.1", mr.Production)
			promote(t, other, "1.0.0", mr.Production)
			tick()
		}
		wantServing(t, l, "1.0.0")
		if l.Status().Since != since {
			t.Errorf("1.0.0 is served since %v, want %v, without another load", l.Status().Since, since)
		}
		p.want("made 1.0.0 1.0.1 1.0.0, closed 1.0.0 1.0.1")
		// With no version in production, the last T stays in use.
		if _, err := other.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
			t.Fatal(err)
		}
		tick()
		wantServing(t, l, "1.0.0")
		if s := l.Status(); !errors.Is(s.LastError, mr.ErrNotFound) || s.LastCheck != time.Now() || s.Wanted != "" {
			t.Errorf("got status %+v, want ErrNotFound and no wanted version", s)
		}
		promote(t, other, "1.0.0", mr.Production)
		tick()
		if s := l.Status(); s.LastError != nil || s.Since != since {
			t.Errorf("got status %+v, want no error, served since %v", s, since)
		}
	})
}

// If a version can't be loaded, the last good T stays in use and the status has
// the error. The load is tried again after growing pauses. A later change is
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
				// The registry refuses to promote damaged files, so the test
				// edits the document.
				editEntries(t, dir, func(versions map[string]map[string]any) {
					versions["1.0.0"]["stage"], versions["1.0.1"]["stage"] = "archived", "production"
				})
				time.Sleep(60 * time.Second)
				synctest.Wait()
				wantServing(t, l, "1.0.0")
				s := l.Status()
				if s.Wanted != "1.0.1" || s.LastError == nil || test.is != nil && !errors.Is(s.LastError, test.is) || !strings.Contains(s.LastError.Error(), test.says) {
					t.Errorf("got status %+v, want 1.0.1 wanted and an error that says %q", s, test.says)
				}
				if s.Failures != 9 || s.NextTry.Sub(start) != 66*time.Second || s.LastErrorAt.Sub(start) != 56*time.Second {
					t.Errorf("got %d failures, the last after %v, the next try after %v; want 9, 56s, 66s",
						s.Failures, s.LastErrorAt.Sub(start), s.NextTry.Sub(start))
				}
				if text := logged.String(); !strings.Contains(text, "model not loaded") || !strings.Contains(text, "version=1.0.1") {
					t.Errorf("the log is %s, want \"model not loaded\" and version=1.0.1 in it", text)
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
				// A later change is followed at once. So is a change back to
				// the broken version, once it can be loaded.
				inProduction(t, r, "1.0.2")
				tick()
				wantServing(t, l, "1.0.2")
				if s := l.Status(); s.Failures != 0 || s.LastError != nil || !s.NextTry.IsZero() {
					t.Errorf("got status %+v, want no failures, error or next try", s)
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

// A version that is archived while it is loaded is not served. A version that
// is only no longer the newest of its range is served until the newer one is
// loaded.
func TestLiveChangeDuringALoad(t *testing.T) {
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
	s := mr.LiveStatus{Ref: fraud.In(mr.Production), Version: mr.ModelVersion{Version: "1.0.0"}, Since: at, Wanted: "1.0.1",
		Loading: "1.0.1", LoadingSince: at, Fetched: 1, FetchTotal: 2, Failures: 2, NextTry: at, LastCheck: at, LastError: errors.New("broken"), LastErrorAt: at}
	const when = `"2026-11-23T05:00:00.000000+00:00"`
	want := `{"ref":"fraud_detection/FraudRiskModel@production","version":"1.0.0","since":` + when + `,"wanted":"1.0.1","loading":"1.0.1","loading_since":` + when + `,"fetched_bytes":1,"fetch_total_bytes":2,"failures":2,"next_try":` +
		when + `,"last_check":` + when + `,"last_error":"broken","last_error_at":` + when + `}`
	if got := mustJSON(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := mustJSON(t, mr.LiveStatus{}); !strings.Contains(got, `"last_error":null`) {
		t.Errorf("got %s, want \"last_error\":null in it", got)
	}
}

// Do and Acquire return at once while a load, a warm-up or the close of the old
// T runs, even while all locks are held.
func TestLiveTakesNoLock(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	p := newPlant(t)
	reached, goOn := make(chan string), make(chan struct{})
	block := func(what string) { // until the end of the test at the latest, so that Close returns
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
					return fmt.Errorf("during %s Do got %s and Acquire %s, want %s of both", while, x.version, lease.Value().version, version)
				}
				return nil
			}))
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("during %s Do and Acquire have not returned after a minute", while)
		}
	}
	inProduction(t, r, "1.0.1")
	for _, step := range [][2]string{{"load", "1.0.0"}, {"check", "1.0.0"}, {"close", "1.0.1"}} {
		if got := <-reached; got != step[0] {
			t.Fatalf("got step %s, want %s", got, step[0])
		}
		answers(step[0], step[1])
		l.WithLocks(r, func() { answers(step[0]+" with all locks taken", step[1]) })
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
			t.Errorf("%s allocates %v times, want none", name, n)
		}
	}
	if used == 0 {
		t.Error("Do and Acquire were not called, want calls")
	}
}
