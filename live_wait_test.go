package modelregistry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

func loadPath(_ context.Context, m *mr.Model) (string, error) { return m.Path, nil }

// With Wait, NewLive may be called before the first registration, and before
// the first promotion.
func TestLiveWaitsForTheFirstVersion(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	opts := &mr.LiveOptions[string]{Interval: 10 * time.Millisecond, Wait: true}
	type made struct {
		live *mr.Live[string]
		err  error
	}
	done := make(chan made, 1)
	go func() {
		live, err := mr.NewLive(t.Context(), r, fraud.In(mr.Production), loadPath, opts)
		done <- made{live, err}
	}()
	early := func(when string) {
		t.Helper()
		select {
		case m := <-done:
			t.Fatalf("%s: NewLive returned %v, want it to wait", when, m.err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	early("without a model")
	register(t, r, "1.0.0", nil)
	early("without a version in production")
	promote(t, r, "1.0.0", mr.Production)
	m := <-done
	if m.err != nil {
		t.Fatal(m.err)
	}
	defer m.live.Close()
	if s := m.live.Status(); s.Version.Version != "1.0.0" || s.LastError != nil {
		t.Errorf("the status has version %q and the error %v, want 1.0.0 and none", s.Version.Version, s.LastError)
	}
}

func TestLiveWaitsOnlyForAVersionThatMayCome(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	for want, ref := range map[error]mr.Ref{mr.ErrInvalid: fraud.In("prod"), mr.ErrNotFound: fraud.In(mr.Production)} {
		opts := &mr.LiveOptions[string]{Wait: want == mr.ErrInvalid}
		if _, err := mr.NewLive(t.Context(), r, ref, loadPath, opts); !errors.Is(err, want) {
			t.Errorf("%v: got %v, want %v", ref, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := mr.NewLive(ctx, r, fraud.In(mr.Production), loadPath, &mr.LiveOptions[string]{Wait: true}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}
