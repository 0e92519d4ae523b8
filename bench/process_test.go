package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/bench"
)

// build compiles a program and returns the path of the executable.
func build(b testing.TB, dir string) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), filepath.Base(dir))
	cmd := exec.Command("go", "build", "-o", file, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build in %s: %v\n%s", dir, err, out)
	}
	return file
}

// start runs a program to its end and returns its output.
func start(b testing.TB, program string, args ...string) string {
	b.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	return string(must[[]byte](b)(cmd.Output()))
}

// promoting returns a side that is a whole process, which promotes one of two
// versions in turn. how is the command of the process.
func (s *store) promoting(b *testing.B, program, how string) side {
	turn := 0
	return side{do: func() {
		turn++
		start(b, program, how, s.dir, s.versions[turn%2])
	}}
}

func processLeave(b *testing.B, n int) result   { return processes(b, n, "leave") }
func processPromote(b *testing.B, n int) result { return processes(b, n, "promote") }

func processes(b *testing.B, n int, how string) result {
	program := build(b, "process")
	return measure(b, newStore(b, n).promoting(b, program, how), newStore(b, 10).promoting(b, program, "promote"))
}

func processHelp(b *testing.B, _ int) result {
	ubunye, hello := build(b, filepath.Join("..", "examples", "ubunye")), build(b, "hello")
	return measure(b,
		side{do: func() { start(b, ubunye, "--help") }},
		side{do: func() { start(b, hello, "--help") }})
}

func processGet(b *testing.B, n int) result {
	program, s := build(b, "process"), newStore(b, n)
	return measure(b,
		side{do: func() { start(b, program, "get", s.dir) }},
		side{do: func() { start(b, program, "scan", s.path("registry.json")) }})
}

// registerProcesses compares 8 processes that register versions of one model at
// the same time with one process. Each round has a store of its own.
func registerProcesses(b *testing.B, n int) (res result) {
	const many = 8
	program, share := build(b, "process"), []float64{}
	for range rounds(b) {
		res.floor = append(res.floor, perVersion(registrations(b, program, n, 1)))
		counts := registrations(b, program, n, many)
		res.took = append(res.took, perVersion(counts))
		share = append(share, slices.Min(counts)/slices.Max(counts))
	}
	res.also = fmt.Sprintf("the slowest makes %.2f of the fastest's number; goal ≥ 0.5", median(share))
	return res
}

func perVersion(counts []float64) float64 {
	var total float64
	for _, n := range counts {
		total += n
	}
	return float64(bench.Round) / total
}

// registrations runs processes that register versions, all from the same moment
// on, and returns how many each registered.
func registrations(b *testing.B, program string, versions, processes int) []float64 {
	s, begin := newStore(b, versions), time.Now().Add(300*time.Millisecond)
	counts := make([]float64, processes)
	var wg sync.WaitGroup
	for i := range counts {
		wg.Go(func() {
			out, err := exec.Command(program, "register", s.dir, fmt.Sprint(begin.UnixNano())).Output()
			if err == nil {
				_, err = fmt.Sscan(string(out), &counts[i])
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return counts
}
