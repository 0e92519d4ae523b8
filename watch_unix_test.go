//go:build unix

package modelregistry_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// cpuTime is what the process has used so far.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThousandWatches watches a thousand models once a second for five
// seconds, in which none of them changes.
func BenchmarkThousandWatches(b *testing.B) {
	const models, seconds = 1000, 5
	r, _ := newStore(b, nil)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	defer func() { cancel(); wg.Wait() }()
	first := make(chan error, models)
	for i := range models {
		name := mr.ModelName{UseCase: "uc", Model: fmt.Sprint("m", i)}
		if _, err := r.Register(ctx, name, artifact(), nil); err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			for _, err := range r.Watch(ctx, name.Matching(mr.Latest), nil) {
				first <- err
			}
		})
	}
	for range models {
		if err := <-first; err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		time.Sleep(2 * time.Second) // what was just written counts as changed
		before := cpuTime(b)
		time.Sleep(seconds * time.Second)
		used := cpuTime(b) - before
		b.ReportMetric(100*used.Seconds()/seconds, "cpu-%")
		b.ReportMetric(float64(used.Nanoseconds())/(models*seconds), "cpu-ns/look")
	}
}
