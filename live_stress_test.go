package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// Many goroutines use a Live in real time, while versions change and one can't
// be loaded. No goroutine gets a T that is closed or not loaded, and at most
// two are open at a time.
func TestLiveUnderStress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, other := openStore(t, dir, nil), openStore(t, dir, nil)
	inProduction(t, other, "1.0.0", "1.0.1", "1.0.2", "1.0.3")
	p := newPlant(t)
	p.breaks("1.0.2", func() error { panic("broken version") })
	l := goLive(t, r, fraud.In(mr.Production), p, &mr.LiveOptions[*thing]{Interval: time.Millisecond, Retry: time.Millisecond})
	var uses atomic.Int64
	seen := [4]atomic.Int64{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	check := func(x *thing, v *mr.ModelVersion) error {
		var n int
		fmt.Sscanf(v.Version, "1.0.%d", &n)
		seen[n].Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if x.closed || x.version != v.Version || n == 2 {
			return fmt.Errorf("got version %s and the thing of %s (closed: %t), want the same version, not 1.0.2, not closed", v.Version, x.version, x.closed)
		}
		uses.Add(1)
		return nil
	}
	for i := range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if i%2 == 0 {
					if err := l.Do(check); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				lease, err := l.Acquire()
				if err == nil {
					err = errors.Join(check(lease.Value(), lease.Version()), check(lease.Value(), lease.Version()))
				}
				lease.Release()
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 12 {
		version := fmt.Sprintf("1.0.%d", i%4)
		promote(t, other, version, mr.Production)
		before := seen[i%4].Load()
		for deadline := time.Now().Add(time.Minute); i%4 != 2; time.Sleep(time.Millisecond) {
			if l.Status().Version.Version == version && seen[i%4].Load() > before {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("after a minute the status is %+v, want %s served and used", l.Status(), version)
			}
		}
	}
	for uses.Load() < 1000 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
}
