package bench_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// many is the number of goroutines in the rows about many goroutines.
const many = 64

// rounds is b.Loop for work that takes seconds. An iteration has as many rounds
// as a median needs.
func rounds(b *testing.B) func(yield func() bool) {
	return func(yield func() bool) {
		for b.Loop() {
			for range fewest {
				if !yield() {
					return
				}
			}
		}
	}
}

// perCall runs n goroutines for a round and returns their total time divided by
// the number of their calls. do receives the number of its goroutine.
func perCall(n int, do func(i int)) float64 {
	var done atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range n {
		wg.Go(func() {
			for time.Since(begin) < bench.Round {
				do(i)
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(time.Since(begin)) / float64(done.Load())
}

func register64(b *testing.B, n int) (res result) {
	register := func(s *store) func(int) {
		return func(int) {
			if _, err := bench.Register(s.r, bench.Small()); err != nil {
				b.Error(err)
			}
		}
	}
	for range rounds(b) {
		res.floor = append(res.floor, perCall(1, register(newStore(b, n))))
		res.took = append(res.took, perCall(many, register(newStore(b, n))))
	}
	return res
}

func promote64(b *testing.B, n int) (res result) {
	s := newStore(b, n)
	versions := make([]string, many)
	for i := range versions {
		versions[i] = must[mr.ModelVersion](b)(bench.Register(s.r, bench.Small())).Version
	}
	var up [many]bool
	move := func(i int) {
		err := error(nil)
		if up[i] = !up[i]; up[i] {
			err = bench.Promote(s.r, versions[i], mr.Staging)
		} else {
			err = bench.Demote(s.r, versions[i], mr.Development)
		}
		if err != nil {
			b.Error(err)
		}
	}
	for range rounds(b) {
		res.floor = append(res.floor, perCall(1, move))
		res.took = append(res.took, perCall(many, move))
	}
	return res
}

// newLive returns a Live whose version changes a hundred times a second until
// the benchmark ends.
func newLive(b *testing.B) *mr.Live[int] {
	s := newStore(b, 10)
	load := func(context.Context, *mr.Model) (int, error) { return 1, nil }
	l, err := mr.NewLive(b.Context(), s.r, bench.Name.In(mr.Production), load, &mr.LiveOptions[int]{Interval: 10 * time.Millisecond})
	check(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for turn := 0; ctx.Err() == nil; turn++ {
			if err := bench.Promote(s.r, s.versions[turn%2], mr.Production); err != nil {
				b.Error(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	b.Cleanup(func() {
		cancel()
		<-done
		check(b, l.Close())
	})
	return l
}

// use calls Live.Do many times in n goroutines, and returns the time that a
// call takes on its core.
func use(l *mr.Live[int], n int) float64 {
	const calls = 100_000
	var wg sync.WaitGroup
	begin := time.Now()
	for range n {
		wg.Go(func() {
			total := 0
			for range calls / n {
				l.Do(func(v int, _ *mr.ModelVersion) error { total += v; return nil })
			}
		})
	}
	wg.Wait()
	return float64(time.Since(begin)) * float64(min(n, runtime.GOMAXPROCS(0))) / calls
}

func liveDo(b *testing.B, _ int) (res result) {
	l := newLive(b)
	for b.Loop() {
		res.took, res.floor = append(res.took, use(l, 1)), append(res.floor, 15)
	}
	// The promotions in the background allocate, but not a thousand times in so
	// short a time.
	allocs := testing.AllocsPerRun(1000, func() { l.Do(func(int, *mr.ModelVersion) error { return nil }) })
	res.also = fmt.Sprintf("%.0f allocations", allocs)
	return res
}

func liveDo64(b *testing.B, _ int) (res result) {
	l := newLive(b)
	for b.Loop() {
		res.took, res.floor = append(res.took, use(l, many)), append(res.floor, use(l, 1))
	}
	return res
}
