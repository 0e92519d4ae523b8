package modelregistry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A Live polls while it downloads. The status has how far it is. A promotion
// ends the download of the version that it replaces.
func TestLivePollsWhileItDownloads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r, setUp := newRemote(t)
		inProduction(t, setUp, "1.0.0")
		p := newPlant(t)
		l := goLive(t, r, fraud.In(mr.Production), p, nil)
		s.hold("1.0.1")
		inProduction(t, setUp, "1.0.1")
		tick()
		began := time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		wantServing(t, l, "1.0.0")
		st := l.Status()
		if st.Wanted != "1.0.1" || st.Loading != "1.0.1" || began.Sub(st.LoadingSince).Abs() > time.Second || st.Fetched != 400 || st.FetchTotal != 1000 {
			t.Errorf("got status %+v, want 1.0.1 wanted and loading for an hour, 400 of 1000 bytes fetched", st)
		}
		if time.Since(st.LastCheck) > time.Second || st.LastError != nil {
			t.Errorf("got status %+v, want a check within the last second and no error", st)
		}
		inProduction(t, setUp, "1.0.2")
		tick()
		wantServing(t, l, "1.0.2")
		if st := l.Status(); st.Loading != "" || !st.LoadingSince.IsZero() || st.Fetched != 0 || st.FetchTotal != 0 || st.Failures != 0 || st.LastError != nil {
			t.Errorf("got status %+v, want no load, no failure and no error", st)
		}
		p.want("made 1.0.0 1.0.2, closed 1.0.0")
		// The version whose download was ended is loaded when it is wanted.
		promote(t, setUp, "1.0.1", mr.Production)
		tick()
		if st := l.Status(); st.Loading != "1.0.1" {
			t.Errorf("got status %+v, want 1.0.1 loading", st)
		}
		s.letGo("1.0.1")
		synctest.Wait()
		wantServing(t, l, "1.0.1")
		wantFetched(t, s, "1.0.0 1.0.1 1.0.2 1.0.1")
	})
}

// NewLive does not wait for a download when another version was promoted.
func TestLiveFirstDownloadIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r, setUp := newRemote(t)
		inProduction(t, setUp, "1.0.0")
		s.hold("1.0.0")
		go func() {
			time.Sleep(time.Minute)
			inProduction(t, setUp, "1.0.1")
		}()
		start, p := time.Now(), newPlant(t)
		l := goLive(t, r, fraud.In(mr.Production), p, nil)
		if took := time.Since(start); took > time.Minute+2*time.Second {
			t.Errorf("NewLive took %v, want at most a minute and two seconds", took)
		}
		wantServing(t, l, "1.0.1")
		if st := l.Status(); st.Loading != "" || st.Wanted != "1.0.1" || st.LastError != nil {
			t.Errorf("got status %+v, want 1.0.1 wanted, no load and no error", st)
		}
		wantFetched(t, s, "1.0.0 1.0.1")
	})
}

// The T of a first load that was ended is closed, if there is one.
func TestLiveFirstLoadIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		inProduction(t, r, "1.0.0")
		go func() {
			time.Sleep(10 * time.Second)
			inProduction(t, r, "1.0.1")
		}()
		p := newPlant(t)
		p.delay = time.Minute
		l := goLive(t, r, fraud.In(mr.Production), p, nil)
		wantServing(t, l, "1.0.1")
		p.want("made 1.0.0 1.0.1, closed 1.0.0")
	})
}

// A failed look says nothing about the version that is downloaded.
func TestLiveDownloadSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r, setUp := newRemote(t)
		inProduction(t, setUp, "1.0.0")
		p := newPlant(t)
		l := goLive(t, r, fraud.In(mr.Production), p, nil)
		s.hold("1.0.1")
		inProduction(t, setUp, "1.0.1")
		time.Sleep(time.Minute)
		s.breaks(errors.New("outage"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := l.Status(); st.Loading != "1.0.1" || st.LastError == nil {
			t.Errorf("got status %+v, want 1.0.1 loading and the error of the outage", st)
		}
		s.breaks(nil)
		tick()
		s.letGo("1.0.1")
		synctest.Wait()
		wantServing(t, l, "1.0.1")
		wantFetched(t, s, "1.0.0 1.0.1")
	})
}

// The download of a range's version goes on although a higher version came,
// unless it stands still or the version was archived.
func TestLiveDownloadOfARange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trickle, archive bool
		after            time.Duration // the higher version is downloaded
		fetched          string
	}{
		"it moves":        {true, false, 5 * time.Minute, "1.0.0 1.0.1 1.0.2"},
		"it stands still": {false, false, time.Minute, "1.0.0 1.0.1 1.0.2"},
		"it is archived":  {true, true, 0, "1.0.0 1.0.1 1.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, r, setUp := newRemote(t)
				register(t, setUp, "1.0.0", nil)
				p := newPlant(t)
				l := goLive(t, r, fraud.Matching(mr.Latest), p, nil)
				s.trickle = test.trickle
				s.hold("1.0.1")
				register(t, setUp, "1.0.1", nil)
				tick()
				if test.archive {
					if _, err := setUp.Archive(t.Context(), fraud.At("1.0.1"), nil); err != nil {
						t.Fatal(err)
					}
				}
				register(t, setUp, "1.0.2", nil)
				start := time.Now()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if test.trickle && !test.archive {
					wantServing(t, l, "1.0.0")
					s.letGo("1.0.1")
					synctest.Wait()
				}
				wantServing(t, l, "1.0.2")
				if late := l.Status().Since.Sub(start); late < test.after-2*time.Second || late > test.after+2*time.Second {
					t.Errorf("1.0.2 is served after %v, want %v", late, test.after)
				}
				wantFetched(t, s, test.fetched)
				made := "made 1.0.0 1.0.2, closed 1.0.0"
				if test.trickle && !test.archive {
					made = "made 1.0.0 1.0.1 1.0.2, closed 1.0.0 1.0.1"
				}
				p.want(made)
			})
		})
	}
}

// Only a download can stand still. A range's version that is downloaded is
// served, however long its load takes.
func TestLiveLoadOfARangeMayTakeLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, r, setUp := newRemote(t)
		register(t, setUp, "1.0.0", nil)
		p := newPlant(t)
		l := goLive(t, r, fraud.Matching(mr.Latest), p, nil)
		p.delay = time.Hour
		register(t, setUp, "1.0.1", nil)
		tick()
		register(t, setUp, "1.0.2", nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		wantServing(t, l, "1.0.1")
		time.Sleep(time.Hour)
		synctest.Wait()
		wantServing(t, l, "1.0.2")
	})
}

// What a load returns after it was ended is not used, even if its version is
// wanted again, because its context has ended. The version is loaded again at
// once, and nothing counts as a failure.
func TestLiveLoadsAgainWhatItEnded(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"the load fails": true, "the load ignores its context": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				r, p, l := serving(t, &mr.LiveOptions[*thing]{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
				p.delay = time.Minute
				if fails {
					p.breaks("1.0.1", func() error { p.breaks("1.0.1", nil); return context.Canceled })
				}
				start := time.Now()
				inProduction(t, r, "1.0.1")
				tick()
				promote(t, r, "1.0.0", mr.Production)
				tick()
				promote(t, r, "1.0.1", mr.Production)
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				wantServing(t, l, "1.0.1")
				if took := l.Status().Since.Sub(start); took > 2*time.Minute+time.Second {
					t.Errorf("1.0.1 is served after %v, want two loads of a minute", took)
				}
				if fails {
					p.want("made 1.0.0 1.0.1, closed 1.0.0")
				} else {
					p.want("made 1.0.0 1.0.1 1.0.1, closed 1.0.1 1.0.0")
				}
				if strings.Contains(logged.String(), "model not loaded") {
					t.Errorf("the log is %s, want no failure in it", logged.String())
				}
			})
		})
	}
}

// The context of a load is that of its T: it ends when the T is closed, and not
// before.
func TestLiveContextOfALoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		inProduction(t, r, "1.0.0")
		contexts := map[string]context.Context{}
		l, err := mr.NewLive(t.Context(), r, fraud.In(mr.Production), func(ctx context.Context, m *mr.Model) (string, error) {
			contexts[m.Version.Version] = ctx
			return m.Version.Version, nil
		}, &mr.LiveOptions[string]{Close: func(version string) error {
			return contexts[version].Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		ended := func(want string) {
			t.Helper()
			var got []string
			for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} {
				if ctx := contexts[version]; ctx != nil {
					got = append(got, fmt.Sprint(ctx.Err() != nil))
				}
			}
			if got := strings.Join(got, " "); got != want {
				t.Errorf("the contexts have ended: %s, want %s", got, want)
			}
		}
		for _, want := range []string{"true false", "true true false"} {
			inProduction(t, r, fmt.Sprintf("1.0.%d", len(contexts)))
			tick()
			ended(want)
		}
		if err := l.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("closing the last one at Close: its context's error is %v, want Canceled", err)
		}
		ended("true true true")
	})
}
