package refcount_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/refcount"
)

// No value is used after it was closed, while it is replaced as fast as
// possible and used by many goroutines.
func TestNothingIsUsedAfterWaitUnderStress(t *testing.T) {
	// More threads than processors, so that the system stops them at any step.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * runtime.NumCPU()))
	type value struct{ closed atomic.Bool }
	var cell refcount.Cell[*value]
	cell.Replace(refcount.NewItem(&value{}))
	var uses, late atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				item, users := cell.Acquire()
				if item == nil {
					return
				}
				if item.Value.closed.Load() {
					late.Add(1)
				}
				if n%512 == i {
					runtime.Gosched() // else it is rarely replaced while it is in use
				}
				if item.Value.closed.Load() {
					late.Add(1)
				}
				item.Release(users)
				uses.Add(1)
			}
		})
	}
	replace := func(next *refcount.Item[*value]) {
		old := cell.Replace(next)
		old.Wait()
		old.Value.closed.Store(true)
	}
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		replace(refcount.NewItem(&value{}))
	}
	replace(nil)
	wg.Wait()
	if uses.Load() == 0 || late.Load() != 0 {
		t.Errorf("%d of %d uses were of a closed value, want none", late.Load(), uses.Load())
	}
}
