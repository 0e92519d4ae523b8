package modelregistry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

func TestLiveFailsIfTheFirstLoadFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dir := newStore(t, nil)
		p := newPlant(t)
		none := func(ref mr.Ref, o *mr.LiveOptions[*thing], is error) {
			t.Helper()
			l, err := mr.NewLive(t.Context(), r, ref, p.load, o)
			if l != nil {
				t.Error("NewLive returned a Live, want none")
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

// The context limits the first load. A load that fails at its end leaves
// nothing open. A load that succeeds all the same is served.
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
					t.Errorf("Retry %v, MaxRetry %v: got a pause of %v after %d failures, want %v after %d",
						test.retry, test.most, got, s.Failures, want, i+1)
				}
				time.Sleep(want)
				synctest.Wait()
			}
		})
	}
}
