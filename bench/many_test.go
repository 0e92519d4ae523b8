package bench_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// round is how long many, or one, are let work.
const round = time.Second

// rate counts what n goroutines get done in a round, each calling do with its number.
func rate(n int, do func(i int)) float64 {
	var done atomic.Int64
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
	return float64(done.Load()) / time.Since(start).Seconds()
}

// together reports how the rate of n goroutines is to that of one, measured in turns.
func together(b *testing.B, n int, do func(i int)) {
	var one, all []float64
	for range rounds(b) {
		one, all = append(one, rate(1, do)), append(all, rate(n, do))
	}
	b.ReportMetric(1e9/median(all), "ns/op")
	b.ReportMetric(1e9/median(one), "one-ns")
	b.ReportMetric(median(all)/median(one), "x-one")
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
	var one, all, share []float64
	for b.Loop() {
		one = append(one, sum(s.spawn(b, 1)))
		counts := s.spawn(b, processes)
		all = append(all, sum(counts))
		least, most := counts[0], counts[0]
		for _, n := range counts {
			least, most = min(least, n), max(most, n)
		}
		share = append(share, least/most)
	}
	b.ReportMetric(1e9*round.Seconds()*3/median(all), "ns/op")
	b.ReportMetric(median(all)/median(one), "x-one")
	b.ReportMetric(median(share), "least/most")
}

func sum(list []float64) (total float64) {
	for _, n := range list {
		total += n
	}
	return total
}

// spawn runs n processes until a common moment, and returns how often each moved its
// version.
func (s *store) spawn(b *testing.B, n int) []float64 {
	start := time.Now().Add(300 * time.Millisecond)
	counts := make([]float64, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_WORKER=%d %s %s", start.UnixNano(), s.versions[i%len(s.versions)], s.dir))
			out, err := cmd.Output()
			if err == nil {
				counts[i], err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return counts
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
	for until := time.Unix(0, start).Add(3 * round); time.Now().Before(until); n++ {
		if up = !up; up {
			_, err = r.Promote(context.Background(), bench.Name, version, mr.Staging, nil)
		} else {
			_, err = r.Demote(context.Background(), bench.Name, version, mr.Development, nil)
		}
		if err != nil {
			return err
		}
	}
	fmt.Println(n)
	return r.Close()
}
