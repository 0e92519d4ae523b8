package bench_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// retain deletes nine of ten versions by a rule, also those that were in
// production. The floor does the same in a model of a tenth of the versions.
func retain(b *testing.B, n int) result {
	return perRemoved(b, n, func(r *mr.ModelRegistry, n int) (deleted int, took time.Duration) {
		start := time.Now()
		list := must[[]mr.RetainedVersion](b)(r.Retain(b.Context(), bench.Name, mr.Retention{KeepLast: n / 10}, &mr.RetainOptions{Apply: true}))
		took = time.Since(start)
		for _, v := range list {
			if v.Deleted {
				deleted++
			}
		}
		return deleted, took
	})
}

// purge removes the files of the versions that retain deletes.
func purge(b *testing.B, n int) result {
	return perRemoved(b, n, func(r *mr.ModelRegistry, n int) (removed int, took time.Duration) {
		must[[]mr.RetainedVersion](b)(r.Retain(b.Context(), bench.Name, mr.Retention{KeepLast: n / 10}, &mr.RetainOptions{Apply: true}))
		start := time.Now()
		report := must[mr.PurgeReport](b)(r.Purge(b.Context(), bench.Name, &mr.PurgeOptions{Now: true, Apply: true}))
		return len(report.Versions), time.Since(start)
	})
}

// perRemoved measures act on new stores of n versions and of a tenth of n, all
// with files. act returns the number of versions and the time for all of them.
func perRemoved(b *testing.B, n int, act func(r *mr.ModelRegistry, n int) (int, time.Duration)) (res result) {
	sample := func(n int) float64 {
		s := &store{dir: filepath.Join(b.TempDir(), "store")}
		check(b, bench.GenerateWithFiles(s.dir, n))
		r := must[*mr.ModelRegistry](b)(mr.Open(s.dir, nil))
		versions, took := act(r, n)
		if versions < n*9/10-3 { // it keeps the two last in production, besides
			b.Fatalf("%d of %d versions", versions, n)
		}
		check(b, r.Close())
		check(b, os.RemoveAll(s.dir))
		return float64(took) / float64(versions)
	}
	turn := func() {
		res.took = append(res.took, sample(n))
		res.floor = append(res.floor, sample(n/10))
	}
	for b.Loop() {
		turn()
	}
	for len(res.took) < fewest {
		turn()
	}
	return res
}
