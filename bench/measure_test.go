package bench_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// A side is a piece of work that is measured in turns with others.
type side struct {
	name  string
	batch int                  // how many times a sample repeats it; 0 means once
	prep  func()               // runs before each sample and is not measured; or nil
	do    func()               // the work
	plus  func() time.Duration // a time that is added to each sample; or nil
}

// measure runs the sides in turns and reports their medians: of the first side
// as ns/op, of the second as the floor with the ratio to it, of the others by
// their names. The order of the turns is random, because each side leaves the
// caches in a state that helps some sides and slows others.
func measure(b *testing.B, sides ...side) {
	b.Helper()
	allocs := allocations(sides[0])
	samples := make([][]float64, len(sides))
	for b.Loop() {
		for _, i := range rand.Perm(len(sides)) {
			s := sides[i]
			if s.prep != nil {
				s.prep()
			}
			n := max(1, s.batch)
			start := time.Now()
			for range n {
				s.do()
			}
			took := float64(time.Since(start)) / float64(n)
			if s.plus != nil {
				took += float64(s.plus())
			}
			samples[i] = append(samples[i], took)
		}
	}
	medians := make([]float64, len(sides))
	for i := range sides {
		medians[i] = median(samples[i])
	}
	b.ReportMetric(medians[0], "ns/op")
	b.ReportMetric(mean(samples[0]), "mean-ns")
	b.ReportMetric(allocs, "allocs")
	for i, s := range sides[1:] {
		b.ReportMetric(medians[i+1], s.name+"-ns")
		switch s.name {
		case "floor":
			b.ReportMetric(medians[0]/medians[i+1], "x-floor")
			b.ReportMetric(mean(samples[0])/medians[i+1], "mean-x-floor")
		case "taken-in", "checked":
			b.ReportMetric(medians[0]/medians[i+1], "x-"+s.name)
		case "unchecked":
			b.ReportMetric(medians[i+1]/medians[1], "unchecked-x-floor")
			b.ReportMetric(allocations(s), "unchecked-allocs")
		}
	}
}

// allocations returns the mean number of allocations of a side.
func allocations(s side) float64 {
	const times = 10
	if s.prep == nil {
		return testing.AllocsPerRun(times, s.do)
	}
	var n float64
	for range times {
		s.prep()
		_, allocs := timed(s.do)
		n += allocs
	}
	return n / times
}

// timed returns the nanoseconds that do takes, and the number of allocations of
// the whole program in that time.
func timed(do func()) (took, allocs float64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	do()
	took = float64(time.Since(start))
	runtime.ReadMemStats(&after)
	return took, float64(after.Mallocs - before.Mallocs)
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func mean(list []float64) (m float64) {
	for _, v := range list {
		m += v / float64(len(list))
	}
	return m
}

// A store is a generated store with a registry on it.
type store struct {
	dir      string
	versions []string // the versions that have files
	r        *mr.ModelRegistry
}

func (s *store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir, bench.Name.UseCase, bench.Name.Model}, elem...)...)
}

// open returns another registry on the store, like that of another process.
func (s *store) open(b testing.TB) *mr.ModelRegistry {
	b.Helper()
	r, err := mr.Open(s.dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close() })
	return r
}

var (
	templatesMu sync.Mutex
	templates   = map[int]*store{}
	templateDir string
)

// newStore returns a new store of n versions. It is a copy of a template: each
// size is generated once per run.
func newStore(b *testing.B, n int) *store {
	b.Helper()
	templatesMu.Lock()
	t := templates[n]
	if t == nil {
		t = &store{dir: filepath.Join(templateDir, time.Now().Format("150405.000000000"))}
		var err error
		if t.versions, err = bench.Generate(t.dir, n); err != nil {
			b.Fatal(err)
		}
		templates[n] = t
	}
	templatesMu.Unlock()
	s := &store{dir: filepath.Join(b.TempDir(), "store"), versions: t.versions}
	if err := os.CopyFS(s.dir, os.DirFS(t.dir)); err != nil {
		b.Fatal(err)
	}
	s.r = s.open(b)
	return s
}

func must[T any](b testing.TB) func(T, error) T {
	return func(v T, err error) T {
		if err != nil {
			b.Helper()
			b.Fatal(err)
		}
		return v
	}
}

func check(b testing.TB, err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

// The registry can read a generated store, which has a document.
func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	versions, err := bench.Generate(dir, 20)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{dir: dir, versions: versions}
	list, err := s.open(t).ListVersions(t.Context(), bench.Name)
	if err != nil || len(list) != 20 || len(versions) != bench.Real {
		t.Errorf("%d versions, %d with files, %v; want 20, %d, nil", len(list), len(versions), err, bench.Real)
	}
	if _, err := os.Stat(s.path("registry.json")); err != nil {
		t.Error(err)
	}
}
