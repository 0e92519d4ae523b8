package modelregistry_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gofrs/flock"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// held counts what a leak would add to.
func held(t *testing.T) (descriptors, goroutines int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		unavailable(t, err)
	}
	return len(fds), runtime.NumGoroutine()
}

// Many operations that fail, each in its own way, leave no open descriptor and
// no goroutine. The test is not parallel, because it counts those of the whole
// process; parallel tests wait until it ends.
func TestFailuresLeakNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // collecting a file closes it, and would hide a leak
	ctx := t.Context()
	boom := errors.New("boom")
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", map[string]any{"auc": 0.5})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	artifacts := []mr.Artifact{
		{}, mr.FromDir(filepath.Join(dir, "missing")), mr.FromDir(dir), mr.FromFile(dir), mr.FromFS(fstest.MapFS{}), mr.FromDir(filepath.Dir(link)),
		mr.FromFS(fstest.MapFS{"a": {Data: []byte("x")}, "b": {Mode: fs.ModeNamedPipe}}), mr.FromFunc(func(string) error { return nil }),
		mr.FromFunc(func(dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o666), boom)
		}),
	}
	faulty := &crashtest.Faulty{}
	onFaulty, err := mr.OpenOn(t.TempDir(), nil, func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
	if err != nil {
		t.Fatal(err)
	}
	defer onFaulty.Close()
	register(t, onFaulty, "1.0.0", nil)
	corrupt := t.TempDir()
	writeFile(t, modelPath(corrupt, "registry.json"), "{")

	scenarios := []struct {
		name string
		fail func(i int) error
	}{
		{"a refused promotion", func(int) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: mr.MinMetric("auc", 0.9)})
			return err
		}},
		{"a bad artifact", func(i int) error {
			_, err := r.Register(ctx, fraud, artifacts[i%len(artifacts)], nil)
			return err
		}},
		{"a save that panics", func(int) (err error) {
			defer func() { err, _ = recover().(error) }()
			r.Register(ctx, fraud, mr.FromFunc(func(string) error { panic(boom) }), nil)
			return nil
		}},
		{"a context that ends", func(i int) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			if i%2 == 0 {
				cancel()
			}
			_, err := r.Register(ctx, fraud, mr.FromFunc(func(dir string) error {
				cancel()
				return os.WriteFile(filepath.Join(dir, "w"), nil, 0o666)
			}), nil)
			return err
		}},
		{"a lock that others hold", func(i int) error {
			lock := flock.New(modelPath(dir, ".lock"))
			if err := lock.Lock(); err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			ctx, cancel := context.WithTimeout(ctx, time.Duration(i%4*2)*time.Millisecond)
			defer cancel()
			_, err := r.Archive(ctx, fraud.At("1.0.0"), nil)
			return err
		}},
		{"a failing disk", func(i int) error {
			faulty.Fail(crashtest.Fault{At: 1 + i%60, Err: syscall.EIO, Stays: i%2 == 0})
			defer faulty.Heal()
			if _, err := onFaulty.Register(ctx, fraud, artifact(), nil); err != nil {
				return err
			}
			return boom // it failed at an operation whose failure does not matter
		}},
		{"a corrupt store", func(int) error {
			errs := make([]error, 20)
			var wg sync.WaitGroup
			for i := range errs { // side by side, for each looks again for a while
				wg.Go(func() {
					r, err := mr.Open(corrupt, nil)
					if err != nil {
						t.Error(err)
						return
					}
					defer r.Close()
					if i > 0 {
						_, errs[i] = r.ListVersions(ctx, fraud)
					} else {
						_, errs[i] = r.Register(ctx, fraud, artifact(), nil)
					}
				})
			}
			wg.Wait()
			for _, err := range errs {
				if err == nil {
					return nil
				}
			}
			return errs[0]
		}},
		{"a closed registry", func(i int) error {
			r, err := mr.Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				stagesOf(t, r)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			_, err = r.Register(ctx, fraud, artifact(), nil)
			return err
		}},
		{"a registry closed at work", func(int) error {
			r, err := mr.Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Register(ctx, fraud, mr.FromFunc(func(dir string) error {
				go r.Close()
				<-time.After(time.Millisecond)
				return boom
			}), nil)
			return err
		}},
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			rounds := 200
			if s.name == "a corrupt store" {
				rounds = 10 // of twenty each
			}
			run := func(n int) {
				for i := range n {
					if s.fail(i) == nil {
						t.Fatalf("round %d did not fail", i)
					}
				}
			}
			run(3)
			descriptors, goroutines := held(t)
			run(rounds)
			settled(t, descriptors, goroutines)
		})
	}
}

// settled waits until no more is held than was, and not for ever.
func settled(t *testing.T, descriptors, goroutines int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		d, g := held(t)
		if d <= descriptors && g <= goroutines {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d descriptors, were %d; %d goroutines, were %d\n%s", d, descriptors, g, goroutines,
				stacks[:runtime.Stack(stacks, true)])
		}
	}
}
