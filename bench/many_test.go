package bench_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// round is how long many, or one, are let work.
const round = time.Second

// rate counts what n goroutines get done in a round, each calling do with its number, and how
// often one of these calls takes memory.
func rate(n int, do func(i int)) (perSecond, allocs float64) {
	var done atomic.Int64
	took, allocs := timed(func() {
		var wg sync.WaitGroup
		start := time.Now()
		for i := range n {
			wg.Go(func() {
				for time.Since(start) < round {
					do(i)
					done.Add(1)
				}
			})
		}
		wg.Wait()
	})
	return 1e9 * float64(done.Load()) / took, allocs / float64(done.Load())
}

// together reports how the rate of n goroutines is to that of one, measured in turns.
func together(b *testing.B, n int, do func(i int)) {
	var one, all, allocs []float64
	for range rounds(b) {
		alone, _ := rate(1, do)
		many, a := rate(n, do)
		one, all, allocs = append(one, alone), append(all, many), append(allocs, a)
	}
	b.ReportMetric(1e9/median(all), "ns/op")
	b.ReportMetric(1e9/median(one), "one-ns")
	b.ReportMetric(median(all)/median(one), "x-one")
	b.ReportMetric(median(allocs), "allocs")
}

// BenchmarkRegister64: 64 goroutines that register at once, beside one.
func BenchmarkRegister64(b *testing.B) {
	s := newStore(b, 10)
	together(b, 64, func(int) {
		must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, bench.Small(), bench.Options()))
	})
}

// BenchmarkArtifact64: 64 goroutines that write and sync the files of a small artifact, each in a
// folder of its own, beside one. More than that the disk does not give to registrations.
func BenchmarkArtifact64(b *testing.B) {
	disks := make([]*disk, 64)
	for i := range disks {
		disks[i] = newDisk(b)
	}
	together(b, 64, func(i int) { disks[i].artifact() })
}

// BenchmarkPromote64: 64 goroutines that promote and demote a version of their own at once,
// beside one.
func BenchmarkPromote64(b *testing.B) {
	s := newStore(b, 10)
	versions := make([]string, 64)
	for i := range versions {
		versions[i] = must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, bench.Small(), bench.Options())).Version
	}
	var up [64]bool
	together(b, 64, func(i int) { toggle(b, s.r, versions[i], &up[i]) })
}

// toggle moves a version up to staging, or down.
func toggle(b testing.TB, r *mr.ModelRegistry, version string, up *bool) {
	if *up = !*up; *up {
		must[mr.ModelVersion](b)(r.Promote(context.Background(), bench.Name, version, mr.Staging, nil))
	} else {
		must[mr.ModelVersion](b)(r.Demote(context.Background(), bench.Name, version, mr.Development, nil))
	}
}

const processes = 8

// BenchmarkProcesses: 8 processes that promote and demote at once, beside one.
func BenchmarkProcesses(b *testing.B) {
	s := newStore(b, 10)
	var one, all, share, allocs []float64
	for b.Loop() {
		alone, _ := s.spawn(b, 1)
		counts, a := s.spawn(b, processes)
		one, all, allocs = append(one, sum(alone)), append(all, sum(counts)), append(allocs, sum(a)/sum(counts))
		least, most := counts[0], counts[0]
		for _, n := range counts {
			least, most = min(least, n), max(most, n)
		}
		share = append(share, least/most)
	}
	b.ReportMetric(float64(3*round)/median(all), "ns/op")
	b.ReportMetric(float64(3*round)/median(one), "one-ns")
	b.ReportMetric(median(all)/median(one), "x-one")
	b.ReportMetric(median(share), "least/most")
	b.ReportMetric(median(allocs), "allocs")
}

func sum(list []float64) (total float64) {
	for _, n := range list {
		total += n
	}
	return total
}

// spawn runs n processes until a common moment, and returns how often each moved its
// version, and took memory.
func (s *store) spawn(b *testing.B, n int) (counts, allocs []float64) {
	start := time.Now().Add(300 * time.Millisecond)
	counts, allocs = make([]float64, n), make([]float64, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_WORKER=%d %s %s", start.UnixNano(), s.versions[i%len(s.versions)], s.dir))
			out, err := cmd.Output()
			if err == nil {
				_, err = fmt.Sscan(string(out), &counts[i], &allocs[i])
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return counts, allocs
}

// worker is what a process of spawn does.
func worker(job string) error {
	var start int64
	var version, dir string
	if _, err := fmt.Sscan(job, &start, &version, &dir); err != nil {
		return err
	}
	r, err := mr.Open(dir, nil)
	if err != nil {
		return err
	}
	v, err := r.GetVersion(context.Background(), bench.Name.At(version))
	if err != nil {
		return err
	}
	up, n := v.Stage != mr.Development, 0
	time.Sleep(time.Until(time.Unix(0, start)))
	_, allocs := timed(func() {
		for until := time.Unix(0, start).Add(3 * round); err == nil && time.Now().Before(until); n++ {
			if up = !up; up {
				_, err = r.Promote(context.Background(), bench.Name, version, mr.Staging, nil)
			} else {
				_, err = r.Demote(context.Background(), bench.Name, version, mr.Development, nil)
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Println(n, allocs)
	return r.Close()
}
