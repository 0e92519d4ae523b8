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
	largeMB = flag.Int("large", 1024, "size of the large artifact in `MB`")
	verifyN = flag.Int("verify", 0, "verify this `number` of versions instead of the row's")
)

// largeFiles is the number of files in the large artifact.
const largeFiles = 4

// writeLarge writes the large artifact to a new folder and returns the folder.
func writeLarge(b *testing.B) string {
	dir, block := b.TempDir(), make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * i)
	}
	for i := range largeFiles {
		f := must[*os.File](b)(os.Create(filepath.Join(dir, fmt.Sprint(i))))
		for range *largeMB / largeFiles {
			must[int](b)(f.Write(block))
		}
		check(b, f.Sync())
		check(b, f.Close())
	}
	return dir
}

// hashAll computes the SHA-256 of the files in a folder, on all cores.
func hashAll(b *testing.B, dir string) {
	var wg sync.WaitGroup
	cores := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range largeFiles {
		wg.Go(func() {
			cores <- struct{}{}
			defer func() { <-cores }()
			f, err := os.Open(filepath.Join(dir, fmt.Sprint(i)))
			if err == nil {
				defer f.Close()
				_, err = io.CopyBuffer(sha256.New(), struct{ io.Reader }{f}, make([]byte, 1<<16))
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

func copyAll(b *testing.B, from, to string) {
	check(b, os.MkdirAll(to, 0o777))
	for i := range largeFiles {
		in := must[*os.File](b)(os.Open(filepath.Join(from, fmt.Sprint(i))))
		out := must[*os.File](b)(os.Create(filepath.Join(to, fmt.Sprint(i))))
		must[int64](b)(io.Copy(out, in))
		check(b, out.Sync())
		check(b, out.Close())
		check(b, in.Close())
	}
}

// since returns the time that do takes, in nanoseconds.
func since(do func()) float64 { return side{do: do}.sample() }

// registerLarge registers a large artifact by copying it, and measures the
// growth of the heap.
func registerLarge(b *testing.B, n int) (res result) {
	from, to, s := writeLarge(b), filepath.Join(b.TempDir(), "to"), newStore(b, n)
	var memory uint64
	for range rounds(b) {
		runtime.GC()
		stop, peak := watchMemory()
		var v mr.ModelVersion
		res.took = append(res.took, since(func() { v = must[mr.ModelVersion](b)(bench.Register(s.r, mr.FromDir(from))) }))
		stop()
		memory = max(memory, *peak)
		check(b, os.RemoveAll(s.path("versions", v.Version)))
		copied := since(func() { copyAll(b, from, to) })
		check(b, os.RemoveAll(to))
		res.floor = append(res.floor, max(copied, since(func() { hashAll(b, from) })))
	}
	res.also = fmt.Sprintf("the heap grows by %.1f MB at most; goal < 32", float64(memory)/(1<<20))
	return res
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

// verify verifies a store of small versions on two cores, and on one.
func verify(b *testing.B, n int) (res result) {
	if *verifyN > 0 {
		n = *verifyN
	}
	s := &store{dir: filepath.Join(b.TempDir(), "store")}
	check(b, bench.GenerateWithFiles(s.dir, n))
	s.r = s.open(b)
	reports := 0
	on := func(cores int) side {
		return side{do: func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
			report, err := s.r.Verify(b.Context(), &mr.VerifyOptions{Progress: func(mr.VerifyProgress) { reports++ }})
			check(b, err)
			if report.Versions != n || len(report.Findings) > 0 {
				b.Fatalf("Verify checks %d versions and finds %v; want %d and no finding", report.Versions, report.Findings, n)
			}
		}}
	}
	res = measure(b, on(2), on(1))
	res.n, res.also = n, fmt.Sprintf("progress is reported %s times", thousands(reports/(len(res.took)+len(res.floor))))
	return res
}
