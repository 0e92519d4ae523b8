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
	largeMB    = flag.Int("large", 1024, "`MB` of the large artifact")
	largeFiles = flag.Int("files", 4, "files of the large artifact")
)

// large makes the large artifact, and returns its folder.
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

// hashAll is the SHA-256 of a folder's files, on the cores there are.
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

// BenchmarkRegisterLarge: an artifact of 1 GB, copied in. The floor is the slower of
// copying and syncing it, and hashing it on the cores there are.
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

// BenchmarkPromoteLarge: a promotion of a version of 1 GB, whose files it reads. The floor is their hash.
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

// report reports medians of something and its floor.
func report(b *testing.B, took, allocs, floor []float64) {
	b.ReportMetric(median(took), "ns/op")
	b.ReportMetric(median(floor), "floor-ns")
	b.ReportMetric(median(took)/median(floor), "x-floor")
	b.ReportMetric(median(allocs), "allocs")
}

// registerOnce registers an artifact and removes its files.
func (s *store) registerOnce(b *testing.B, a mr.Artifact) (took, allocs float64) {
	var v mr.ModelVersion
	took, allocs = timed(func() { v = must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, a, nil)) })
	check(b, os.RemoveAll(s.path("versions", v.Version)))
	return took, allocs
}

// rounds is b.Loop for work of seconds: some rounds, that the median says something.
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

// watchMemory notes how far the heap grows.
func watchMemory() (stop func(), peak *uint64) {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	peak = new(uint64)
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
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
	return func() { close(done); <-gone }, peak
}

// BenchmarkRegisterMoved: an artifact of 1 GB, moved into staging. The floor is its hash.
func BenchmarkRegisterMoved(b *testing.B) { hashed(b, mr.MoveDir) }

// BenchmarkRegisterSaved: an artifact of 1 GB that is saved into staging by a function that does
// not copy. The floor is its hash.
func BenchmarkRegisterSaved(b *testing.B) {
	hashed(b, func(from string) mr.Artifact {
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

// hashed measures the registration of a large artifact that is hashed and not copied.
func hashed(b *testing.B, artifact func(dir string) mr.Artifact) {
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
