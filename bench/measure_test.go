package bench_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// A side is the operation or its floor.
type side struct {
	batch int    // the number of repetitions in a sample; 0 means one
	prep  func() // runs before each sample and is not measured; or nil
	do    func()
}

// fewest is the number of samples of an operation that takes longer than
// -benchtime.
const fewest = 3

// measure alternates an operation and its floor. The order in each pair is
// random, because each affects the caches for the next.
func measure(b *testing.B, operation, floor side) (res result) {
	b.Helper()
	turns := func() {
		for _, i := range rand.Perm(2) {
			if i == 0 {
				res.took = append(res.took, operation.sample())
			} else {
				res.floor = append(res.floor, floor.sample())
			}
		}
	}
	for b.Loop() {
		turns()
	}
	for len(res.took) < fewest {
		turns()
	}
	return res
}

func (s side) sample() float64 {
	if s.prep != nil {
		s.prep()
	}
	n := max(1, s.batch)
	start := time.Now()
	for range n {
		s.do()
	}
	return float64(time.Since(start)) / float64(n)
}

func median(list []float64) float64 { return quantile(list, 0.5) }
func p99(list []float64) float64    { return quantile(list, 0.99) }

func quantile(list []float64, q float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[int(q*float64(len(list)))]
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
	check(b, err)
	b.Cleanup(func() { r.Close() })
	return r
}

// newStore returns a new store of n versions.
func newStore(b testing.TB, n int) *store {
	b.Helper()
	s := &store{dir: filepath.Join(b.TempDir(), "store")}
	var err error
	s.versions, err = bench.Generate(s.dir, n)
	check(b, err)
	s.r = s.open(b)
	return s
}

// settle waits until every file is old enough that another write would change
// its time stamp.
func settle() { time.Sleep(50 * time.Millisecond) }

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

// Verify finds no fault in a generated store, except that its versions have no
// files.
func TestGenerate(t *testing.T) {
	dir := t.TempDir()
	versions, err := bench.Generate(dir, 40)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{dir: dir, versions: versions}
	report, err := s.open(t).Verify(t.Context(), nil)
	if err != nil || report.Versions != 40 || len(report.Findings) != 40-bench.Real {
		t.Fatalf("Verify = %+v, %v; want 40 versions, %d of them without files", report, err, 40-bench.Real)
	}
	for _, f := range report.Findings {
		if f.Kind != mr.ArtifactMissing {
			t.Errorf("Verify finds %v, want only %q", f, mr.ArtifactMissing)
		}
	}
	if _, err := os.Stat(s.path("registry.json")); err != nil {
		t.Error(err)
	}
}

// Verify finds no fault in a generated store whose versions have files.
func TestGenerateWithFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := bench.GenerateWithFiles(dir, 40); err != nil {
		t.Fatal(err)
	}
	s := &store{dir: dir}
	report, err := s.open(t).Verify(t.Context(), nil)
	if err != nil || report.Versions != 40 || len(report.Findings) != 0 {
		t.Fatalf("Verify = %+v, %v; want 40 versions and no finding", report, err)
	}
}
