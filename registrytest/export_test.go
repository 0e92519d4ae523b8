package registrytest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	mr "github.com/ubunye-go/modelregistry"
)

// Rules returns the rule of each case.
func Rules() map[string]string {
	m := map[string]string{}
	for _, c := range cases {
		m[c.name] = c.rule
	}
	return m
}

// Failures runs the cases named in only, or all cases. It returns the messages
// of each case that fails or is skipped.
func Failures(ctx context.Context, open func() (mr.Store, error), opts *StoreOptions, only ...string) map[string][]string {
	all := map[string][]string{}
	for _, c := range cases {
		if only != nil && !slices.Contains(only, c.name) {
			continue
		}
		r := &recorder{ctx: ctx}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer r.cleanup()
			c.run(newSuite(r, c, open, opts))
		}()
		<-done
		if r.failures != nil {
			all[c.name] = r.failures
		}
	}
	return all
}

// A recorder records failures.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(fn func())        { r.cleanups = append(r.cleanups, fn) }

func (r *recorder) cleanup() {
	for _, fn := range slices.Backward(r.cleanups) {
		fn()
	}
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Skipf(format string, args ...any) { r.Fatalf("skipped: "+format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
