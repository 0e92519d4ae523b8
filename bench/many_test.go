package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// round is the time that goroutines or processes work in a sample.
const round = time.Second

// rate returns the number of calls that n goroutines make in a second, and the
// allocations of a call. do receives the number of its goroutine.
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

// together reports the rate of n goroutines in relation to that of one, both
// measured in turns. It also reports the time of a call when n goroutines make
// one of the others.
func together(b *testing.B, n int, do func(i int), others ...side) {
	var one, all, allocs []float64
	otherRates := make([][]float64, len(others))
	for range rounds(b) {
		alone, _ := rate(1, do)
		many, a := rate(n, do)
		one, all, allocs = append(one, alone), append(all, many), append(allocs, a)
		for i, o := range others {
			r, _ := rate(n, func(int) { o.do() })
			otherRates[i] = append(otherRates[i], r)
		}
	}
	b.ReportMetric(1e9/median(all), "ns/op")
	b.ReportMetric(1e9/median(one), "one-ns")
	b.ReportMetric(median(all)/median(one), "x-one")
	b.ReportMetric(median(allocs), "allocs")
	for i, o := range others {
		b.ReportMetric(1e9/median(otherRates[i]), o.name+"-ns")
	}
}

// BenchmarkRegister64 compares 64 goroutines that register at the same time
// with one.
func BenchmarkRegister64(b *testing.B) {
	s := newStore(b, 10)
	together(b, 64, func(int) {
		must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, bench.Small(), bench.Options()))
	}, rows(b, (*bbolt.DB).Batch)...)
}

// BenchmarkArtifact64 compares 64 goroutines that write and sync the files of a
// small artifact, each in its own folder, with one. Registrations cannot be
// faster than this on the same disk.
func BenchmarkArtifact64(b *testing.B) {
	disks := make([]*disk, 64)
	for i := range disks {
		disks[i] = newDisk(b)
	}
	together(b, 64, func(i int) { disks[i].artifact() })
}

// BenchmarkPromote64 compares 64 goroutines that each promote and demote a
// version of their own with one.
func BenchmarkPromote64(b *testing.B) {
	s := newStore(b, 10)
	versions := make([]string, 64)
	for i := range versions {
		versions[i] = must[mr.ModelVersion](b)(s.r.Register(b.Context(), bench.Name, bench.Small(), bench.Options())).Version
	}
	var up [64]bool
	together(b, 64, func(i int) { check(b, toggle(s.r, versions[i], &up[i])) }, rows(b, (*bbolt.DB).Batch)...)
}

// toggle moves a version to staging, or back to development.
func toggle(r *mr.ModelRegistry, version string, up *bool) (err error) {
	if *up = !*up; *up {
		_, err = r.Promote(context.Background(), bench.Name, version, mr.Staging, nil)
	} else {
		_, err = r.Demote(context.Background(), bench.Name, version, mr.Development, nil)
	}
	return err
}

const processes = 8

// BenchmarkProcesses compares 8 processes that promote and demote with one. It
// also measures 8 processes that insert rows into one SQLite database.
func BenchmarkProcesses(b *testing.B) {
	s, lite := newStore(b, 10), filepath.Join(b.TempDir(), "lite")
	check(b, must[*sql.DB](b)(openSQLite(lite)).Close())
	move := func(i int) string { return s.versions[i] + " " + s.dir }
	var one, all, share, allocs, rows []float64
	for b.Loop() {
		alone, _ := spawn(b, 1, move)
		counts, a := spawn(b, processes, move)
		one, all, allocs = append(one, sum(alone)), append(all, sum(counts)), append(allocs, sum(a)/sum(counts))
		share = append(share, slices.Min(counts)/slices.Max(counts))
		counts, _ = spawn(b, processes, func(int) string { return sqlite + " " + lite })
		rows = append(rows, sum(counts))
	}
	b.ReportMetric(float64(3*round)/median(all), "ns/op")
	b.ReportMetric(float64(3*round)/median(one), "one-ns")
	b.ReportMetric(median(all)/median(one), "x-one")
	b.ReportMetric(median(share), "least/most")
	b.ReportMetric(median(allocs), "allocs")
	b.ReportMetric(float64(3*round)/median(rows), "sqlite-ns")
}

func sum(list []float64) (total float64) {
	for _, n := range list {
		total += n
	}
	return total
}

// spawn runs n processes that start at the same time, and returns the number of
// jobs and of allocations of each.
func spawn(b *testing.B, n int, job func(i int) string) (counts, allocs []float64) {
	start := time.Now().Add(300 * time.Millisecond)
	counts, allocs = make([]float64, n), make([]float64, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_WORKER=%d %s", start.UnixNano(), job(i)))
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

// sqlite takes the place of the version in a job for SQLite.
const sqlite = "sqlite"

// worker runs the job of a process that spawn started.
func worker(job string) error {
	var start int64
	var version, at string
	if _, err := fmt.Sscan(job, &start, &version, &at); err != nil {
		return err
	}
	open := mover
	if version == sqlite {
		open = inserter
	}
	do, done, err := open(version, at)
	if err != nil {
		return err
	}
	n := 0
	time.Sleep(time.Until(time.Unix(0, start)))
	_, allocs := timed(func() {
		for until := time.Unix(0, start).Add(3 * round); err == nil && time.Now().Before(until); n++ {
			err = do()
		}
	})
	if err != nil {
		return err
	}
	fmt.Println(n, allocs)
	return done()
}

// mover returns a function that moves a version to staging and back, in turn.
func mover(version, dir string) (do, done func() error, err error) {
	r, err := mr.Open(dir, nil)
	if err != nil {
		return nil, nil, err
	}
	v, err := r.GetVersion(context.Background(), bench.Name.At(version))
	if err != nil {
		return nil, nil, err
	}
	up := v.Stage != mr.Development
	return func() error { return toggle(r, version, &up) }, r.Close, nil
}

// inserter returns a function that inserts a row into a database.
func inserter(_, file string) (do, done func() error, err error) {
	db, err := openSQLite(file)
	if err != nil {
		return nil, nil, err
	}
	return func() error { return insert(db) }, db.Close, nil
}
