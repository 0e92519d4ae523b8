package bench_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

var (
	largeMB    = flag.Int("large", 1024, "size of the large artifact in `MB`")
	largeFiles = flag.Int("files", 4, "`number` of files in the large artifact")
)

// large writes the large artifact to dir, and returns dir.
func large(b *testing.B, dir string) string {
	check(b, os.MkdirAll(dir, 0o777))
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * i)
	}
	for i := range *largeFiles {
		f := must[*os.File](b)(os.Create(filepath.Join(dir, fmt.Sprint(i))))
		for range *largeMB / *largeFiles {
			must[int](b)(f.Write(block))
		}
		check(b, f.Sync())
		check(b, f.Close())
	}
	return dir
}

// hashAll computes the SHA-256 of the files in a folder, in parallel on all
// cores.
func hashAll(b *testing.B, dir string) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range *largeFiles {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			f := must[*os.File](b)(os.Open(filepath.Join(dir, fmt.Sprint(i))))
			defer f.Close()
			must[int64](b)(io.CopyBuffer(sha256.New(), struct{ io.Reader }{f}, make([]byte, 1<<16)))
		})
	}
	wg.Wait()
}

func copyAll(b *testing.B, from, to string) {
	check(b, os.MkdirAll(to, 0o777))
	for i := range *largeFiles {
		in := must[*os.File](b)(os.Open(filepath.Join(from, fmt.Sprint(i))))
		out := must[*os.File](b)(os.Create(filepath.Join(to, fmt.Sprint(i))))
		must[int64](b)(io.Copy(out, in))
		check(b, out.Sync())
		check(b, out.Close())
		check(b, in.Close())
	}
}

// BenchmarkRegisterLarge registers an artifact of 1 GB by copying it. The floor
// is the longer of two times: to copy and sync it, and to hash it on all cores.
func BenchmarkRegisterLarge(b *testing.B) {
	from, s := large(b, filepath.Join(b.TempDir(), "from")), newStore(b, 10)
	to := filepath.Join(b.TempDir(), "to")
	var took, allocs, floor []float64
	var memory uint64
	for range rounds(b) {
		runtime.GC()
		stop, peak := watchMemory()
		t, n := s.registerOnce(b, mr.FromDir(from))
		stop()
		took, allocs, memory = append(took, t), append(allocs, n), max(memory, *peak)
		start := time.Now()
		copyAll(b, from, to)
		copied := time.Since(start)
		check(b, os.RemoveAll(to))
		start = time.Now()
		hashAll(b, from)
		floor = append(floor, float64(max(copied, time.Since(start))))
	}
	report(b, took, allocs, floor)
	b.ReportMetric(float64(memory)/(1<<20), "peak-MB")
}

// BenchmarkPromoteLarge promotes a version of 1 GB, which it reads. The floor
// is the hash of the files.
func BenchmarkPromoteLarge(b *testing.B) {
	from, s, ctx := large(b, filepath.Join(b.TempDir(), "from")), newStore(b, 10), b.Context()
	v := must[mr.ModelVersion](b)(s.r.Register(ctx, bench.Name, mr.FromDir(from), nil))
	var took, allocs, floor []float64
	for range rounds(b) {
		t, n := timed(func() { must[mr.ModelVersion](b)(s.r.Promote(ctx, bench.Name, v.Version, mr.Staging, nil)) })
		took, allocs = append(took, t), append(allocs, n)
		must[mr.ModelVersion](b)(s.r.Demote(ctx, bench.Name, v.Version, mr.Development, nil))
		start := time.Now()
		hashAll(b, s.path("versions", v.Version, "model"))
		floor = append(floor, float64(time.Since(start)))
	}
	report(b, took, allocs, floor)
}

// report reports the medians of an operation and of its floor.
func report(b *testing.B, took, allocs, floor []float64) {
	b.ReportMetric(median(took), "ns/op")
	b.ReportMetric(median(floor), "floor-ns")
	b.ReportMetric(median(took)/median(floor), "x-floor")
	b.ReportMetric(median(allocs), "allocs")
}

// registerOnce registers an artifact and then removes its files, which is not
// measured.
func (s *store) registerOnce(b *testing.B, a mr.Artifact) (took, allocs float64) {
	var v mr.ModelVersion
	took, allocs = timed(func() { v = must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, a, nil)) })
	check(b, os.RemoveAll(s.path("versions", v.Version)))
	return took, allocs
}

// rounds is b.Loop for work that takes seconds: every iteration has five
// rounds, enough for a median.
func rounds(b *testing.B) func(yield func() bool) {
	return func(yield func() bool) {
		for b.Loop() {
			for range 5 {
				if !yield() {
					return
				}
			}
		}
	}
}

// watchMemory measures the growth of the heap in the background. peak is valid
// after stop.
func watchMemory() (stop func(), peak *uint64) {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	peak = new(uint64)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var now runtime.MemStats
		for {
			runtime.ReadMemStats(&now)
			*peak = max(*peak, now.HeapInuse-min(now.HeapInuse, before.HeapInuse))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done); <-stopped }, peak
}

// BenchmarkRegisterMoved registers an artifact of 1 GB by moving it. The floor
// is its hash.
func BenchmarkRegisterMoved(b *testing.B) { registerHashed(b, mr.MoveDir) }

// BenchmarkRegisterSaved registers an artifact of 1 GB that a function saves by
// renaming files. The floor is its hash.
func BenchmarkRegisterSaved(b *testing.B) {
	registerHashed(b, func(from string) mr.Artifact {
		return mr.FromFunc(func(dir string) error {
			for i := range *largeFiles {
				if err := os.Rename(filepath.Join(from, fmt.Sprint(i)), filepath.Join(dir, fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// registerHashed measures the registration of a large artifact that is hashed
// but not copied.
func registerHashed(b *testing.B, artifact func(dir string) mr.Artifact) {
	s := newStore(b, 10)
	dir := filepath.Join(s.dir, "..", "from")
	var took, allocs, floor []float64
	for range rounds(b) {
		large(b, dir)
		start := time.Now()
		hashAll(b, dir)
		floor = append(floor, float64(time.Since(start)))
		t, n := s.registerOnce(b, artifact(dir))
		took, allocs = append(took, t), append(allocs, n)
	}
	report(b, took, allocs, floor)
}
