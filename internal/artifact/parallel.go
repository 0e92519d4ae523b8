package artifact

import (
	"context"
	"sync"
	"sync/atomic"
)

// InParallel calls fn for every index below n, in a number of goroutines. The
// first error ends the context of the other calls, and is returned.
func InParallel(ctx context.Context, workers, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
			if err := fn(ctx, int(i)); err != nil {
				cancel(err)
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return context.Cause(ctx)
}

// A limit bounds how many goroutines do something at once. A nil limit is no
// bound.
type limit chan struct{}

// enter waits until the bound permits one more, or returns the error of the
// context. The caller calls leave afterwards.
func (l limit) enter(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l limit) leave() {
	if l != nil {
		<-l
	}
}
