package processes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

func TestProcessesRegister(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "yet", "there")
	runTogether(t, command("register 25", dir), command("register 25", dir), command("register 25", dir), command("register 25", dir))
	wantComplete(t, dir, 100)
	events, err := ledger.History(modelPath(dir))
	if err != nil || len(events) != 100 {
		t.Errorf("%d events, %v, want 100", len(events), err)
	}
}

func TestProcessesRegisterPromoteAndRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	registerMany(t, dir, 1)
	reader := command("read until stopped", dir)
	var out bytes.Buffer
	reader.Stdout, reader.Stderr = &out, &out
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 { // readers in this process, each with its own registry
		wg.Go(func() { read(t, dir, stop.Load) })
	}
	runTogether(t, command("register 25", dir), command("promote 25", dir), command("promote 25", dir), command("register 25", dir))
	stop.Store(true)
	wg.Wait()
	if err := os.WriteFile(stopFile(dir), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := reader.Wait(); err != nil {
		t.Errorf("the process that reads ended with %v\n%s", err, out.Bytes())
	}
	wantComplete(t, dir, 51)
}

func TestGoroutinesShareARegistry(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprintf("shared=%t", shared), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			one := openStore(t, dir, nil)
			if _, err := one.Register(t.Context(), fraud, twoFiles("first"), nil); err != nil {
				t.Fatal(err)
			}
			const writers, each = 16, 5
			var stop atomic.Bool
			var readers, wg sync.WaitGroup
			for range 2 {
				readers.Go(func() { read(t, dir, stop.Load) })
			}
			numbers := make(chan string, writers*each)
			for w := range writers {
				r := one
				if !shared {
					r = openStore(t, dir, nil)
				}
				wg.Go(func() {
					for i := range each {
						v, err := r.Register(t.Context(), fraud, twoFiles(fmt.Sprint(w, i)), nil)
						if err != nil {
							t.Error(err)
							return
						}
						numbers <- v.Version
						p, err := r.Promote(t.Context(), fraud.At(v.Version), mr.Production, nil)
						if err != nil || p.Stage != mr.Production || p.Version != v.Version {
							t.Errorf("promote %s returned %s in %s, %v, want it in production", v.Version, p.Version, p.Stage, err)
							return
						}
						// A registry reads its own change at once.
						got, err := r.GetVersion(t.Context(), fraud.At(v.Version))
						if err != nil || got.PromotedToProduction.IsZero() {
							t.Errorf("after its promotion GetVersion of %s returned %+v, %v, want the time of promotion", v.Version, got, err)
						}
					}
				})
			}
			wg.Wait()
			stop.Store(true)
			readers.Wait()
			close(numbers)
			seen := map[string]bool{}
			for v := range numbers {
				if seen[v] {
					t.Errorf("%s was given out twice, want once", v)
				}
				seen[v] = true
			}
			wantComplete(t, dir, writers*each+1)
		})
	}
}
