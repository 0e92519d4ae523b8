package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// A yielded is what a watch yielded, and when.
type yielded struct {
	what string
	at   time.Time
}

// watching collects what a watch yields, in a goroutine of a synctest bubble.
type watching struct {
	t    *testing.T
	seq  chan yielded
	stop context.CancelFunc
}

func watch(t *testing.T, r *mr.ModelRegistry, ref mr.Ref, interval time.Duration) *watching {
	ctx, stop := context.WithCancel(t.Context())
	w := &watching{t: t, seq: make(chan yielded, 1000), stop: stop}
	seq := r.Watch(ctx, ref, &mr.WatchOptions{Interval: interval})
	go func() {
		defer close(w.seq)
		for v, err := range seq {
			what := v.Version + " " + string(v.Stage)
			for name, is := range map[string]error{"not found": mr.ErrNotFound, "artifact": mr.ErrArtifact, "invalid": mr.ErrInvalid, "closed": mr.ErrClosed} {
				if errors.Is(err, is) {
					what = name
				}
			}
			w.seq <- yielded{what, time.Now()}
		}
	}()
	return w
}

// want checks that the watch has yielded exactly this since the last call.
func (w *watching) want(what ...string) (at time.Time) {
	w.t.Helper()
	synctest.Wait()
	var got []string
	for len(w.seq) > 0 {
		x := <-w.seq
		got, at = append(got, x.what), x.at
	}
	if diff := cmp.Diff(what, got); diff != "" {
		w.t.Errorf("yielded (-want +got):\n%s", diff)
	}
	return at
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const second = time.Second
		r, dir := newStore(t, nil)
		other := openStore(t, dir, nil) // as another process would
		w := watch(t, r, fraud.In(mr.Production), 0)
		w.want("not found")
		register(t, other, "1.0.0", nil)
		time.Sleep(3 * second)
		w.want("not found") // now the model is there, and the stage is still empty
		promote(t, other, "1.0.0", mr.Production)
		time.Sleep(second)
		w.want("1.0.0 production")
		time.Sleep(time.Hour)
		w.want() // nothing happened

		// Each change is yielded within the interval.
		register(t, other, "1.0.1", nil)
		for i := range 20 {
			time.Sleep(second/3 + time.Duration(i)*37*time.Millisecond)
			w.want()
			version := []string{"1.0.1", "1.0.0"}[i%2]
			start := time.Now()
			promote(t, other, version, mr.Production)
			time.Sleep(second)
			if late := w.want(version + " production").Sub(start); late > second {
				t.Errorf("yielded after %v, want at most a second", late)
			}
		}

		// Of many changes at once, only the last one is yielded.
		for range 5 {
			promote(t, r, "1.0.1", mr.Production)
			promote(t, r, "1.0.0", mr.Production)
		}
		promote(t, r, "1.0.1", mr.Production)
		time.Sleep(second)
		w.want("1.0.1 production")

		// An error is yielded once. The watch goes on after it, and yields the
		// version again even if it is the one from before.
		if _, err := r.Archive(t.Context(), fraud.At("1.0.1"), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.want("not found")
		if _, err := r.Rollback(t.Context(), fraud, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(second)
		w.want("1.0.1 production")

		w.stop()
		synctest.Wait()
		if x, open := <-w.seq; open {
			t.Errorf("yielded after the end: %v", x)
		}
	})
}

func TestWatchRefs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		register(t, r, "1.2.0", nil)
		pinned, latest, ranged := watch(t, r, fraud.At("1.2.0"), 0), watch(t, r, fraud.Matching(mr.Latest), 0), watch(t, r, fraud.Matching("~1.2"), 0)
		pinned.want("1.2.0 development")
		latest.want("1.2.0 development")
		register(t, r, "1.2.1", nil)
		register(t, r, "1.3.0", nil)
		promote(t, r, "1.2.0", mr.Staging)
		time.Sleep(time.Second)
		pinned.want("1.2.0 staging") // its entry changed
		latest.want("1.3.0 development")
		ranged.want("1.2.0 development", "1.2.1 development")
		if _, err := r.Archive(t.Context(), fraud.At("1.2.1"), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		ranged.want("1.2.0 staging")
		for _, w := range []*watching{pinned, latest, ranged} {
			w.stop()
		}
	})
}

func TestWatchThatCantGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		w := watch(t, r, fraud.In("prod"), 0)
		w.want("invalid")
		if _, open := <-w.seq; open {
			t.Error("it goes on")
		}
		register(t, r, "1.0.0", nil)
		w = watch(t, r, fraud.At("1.0.0"), 0)
		w.want("1.0.0 development")
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.want("closed")
		if _, open := <-w.seq; open {
			t.Error("it goes on")
		}
	})
}

// A loop with a slow body misses changes, but never the last one.
func TestWatchWithASlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newStore(t, nil)
		inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
		next, stop := iter.Pull2(r.Watch(t.Context(), fraud.In(mr.Production), nil))
		defer stop()
		for i, want := range []string{"1.0.2", "1.0.1"} {
			if v, err, _ := next(); err != nil || v.Version != want {
				t.Fatalf("got %s, %v, want %s", v.Version, err, want)
			}
			if i == 0 {
				time.Sleep(time.Minute)
				promote(t, r, "1.0.0", mr.Production)
				time.Sleep(time.Minute)
				promote(t, r, "1.0.1", mr.Production)
			}
		}
	})
}

// A version is yielded only when all its files are there.
func TestWatchWaitsForTheArtifact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, dir := newStore(t, nil)
		inProduction(t, r, "1.0.0")
		register(t, r, "1.0.1", nil)
		w := watch(t, r, fraud.In(mr.Production), 0)
		w.want("1.0.0 production")
		promote(t, r, "1.0.1", mr.Production)
		model := modelPath(dir, "versions", "1.0.1", "model")
		aside := filepath.Join(t.TempDir(), "model")
		for _, damage := range []struct{ hide, mend func() error }{
			{func() error { return os.Rename(model, aside) }, func() error { return os.Rename(aside, model) }},
			{func() error { return os.Rename(model+"/weights.bin", aside) }, func() error { return os.Rename(aside, model+"/weights.bin") }},
			{func() error { // half of a file
				return errors.Join(os.Rename(model+"/weights.bin", aside), os.WriteFile(model+"/weights.bin", []byte("wei"), 0o666))
			}, func() error { return os.Rename(aside, model+"/weights.bin") }},
		} {
			if err := damage.hide(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.want("artifact")
			if err := damage.mend(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			w.want("1.0.1 production")
			promote(t, r, "1.0.0", mr.Production)
			time.Sleep(time.Second)
			w.want("1.0.0 production")
			promote(t, r, "1.0.1", mr.Production)
		}
	})
}

// A version that another program registered has no manifest. It is complete
// when its files stop changing.
func TestWatchWaitsForAnArtifactWithoutManifest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := handWritten(t, [2]string{"1.0.0", `{"stage": "production"}`})
		file := modelPath(dir, "versions", "1.0.0", "model", "weights.bin")
		w := watch(t, openStore(t, dir, nil), fraud.In(mr.Production), 0)
		w.want()
		for i := range 5 { // it is being copied
			writeFile(t, file, strings.Repeat("weights", i+2))
			time.Sleep(time.Second)
			w.want()
		}
		time.Sleep(time.Second)
		w.want("1.0.0 production")
		w.stop()
	})
	// A version whose files are older than the interval is yielded at once.
	dir := handWritten(t, [2]string{"1.0.0", `{"stage": "production"}`})
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"model", "model/weights.bin"} {
		if err := os.Chtimes(modelPath(dir, "versions", "1.0.0", name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	for v, err := range openStore(t, dir, nil).Watch(t.Context(), fraud.In(mr.Production), &mr.WatchOptions{Interval: time.Minute}) {
		if err != nil || v.Version != "1.0.0" || time.Since(start) > 50*time.Second {
			t.Errorf("got %s, %v", v.Version, err)
		}
		break
	}
}

// countingStore counts what is asked of a store.
type countingStore struct {
	mr.Store
	changed, read, opened atomic.Int64
	err                   atomic.Pointer[error]
}

func (s *countingStore) Changed(ctx context.Context, useCase, model string, since driver.Revision) (bool, error) {
	s.changed.Add(1)
	if err := s.err.Load(); err != nil {
		return true, *err
	}
	return s.Store.Changed(ctx, useCase, model, since)
}

func (s *countingStore) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	s.read.Add(1)
	if err := s.err.Load(); err != nil {
		return *err
	}
	return s.Store.Read(ctx, useCase, model, look)
}

func (s *countingStore) OpenTree(ctx context.Context, useCase, model string, version string) (driver.Tree, error) {
	s.opened.Add(1)
	return s.Store.OpenTree(ctx, useCase, model, version)
}

// A check of a model that did not change makes one call of the store. An error
// that lasts is yielded once.
func TestWatchLooksCheaply(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	setUp := openStore(t, dir, nil)
	inProduction(t, setUp, "1.0.0")
	time.Sleep(30 * time.Millisecond) // else the files count as changed: nothing else can be waited for
	synctest.Test(t, func(t *testing.T) {
		s := &countingStore{Store: mr.FolderStore(t, dir)}
		r := mr.New(s, nil)
		defer r.Close()
		// The bubble's clock stands long before the files' times.
		time.Sleep(time.Until(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)))
		w := watch(t, r, fraud.In(mr.Production), time.Second)
		w.want("1.0.0 production")
		empty := watch(t, r, fraud.In(mr.Staging), time.Second)
		empty.want("not found")
		changed, read, opened := s.changed.Load(), s.read.Load(), s.opened.Load()
		time.Sleep(100 * time.Second)
		w.want()
		if c, r, o := s.changed.Load()-changed, s.read.Load()-read, s.opened.Load()-opened; c != 200 || r != 0 || o != 0 {
			t.Errorf("100 looks of two asked %d times whether it changed, read it %d times, opened %d trees", c, r, o)
		}
		empty.want()
		empty.stop()
		broken := fmt.Errorf("disk failed")
		s.err.Store(&broken)
		time.Sleep(time.Minute)
		w.want(" ")
		s.err.Store(nil)
		time.Sleep(time.Second)
		w.want("1.0.0 production")
		w.stop()
	})
}
