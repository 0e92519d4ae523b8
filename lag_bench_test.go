package modelregistry_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// BenchmarkLag compares bounds of the lag. It reports the mean time of a
// promotion with its share of the checkpoints, and the time in which a new
// registry reads the model just before a checkpoint is due. The default's
// bounds were chosen by it (docs/performance.md).
func BenchmarkLag(b *testing.B) {
	for _, n := range []int{300, 1000, 2000, 4000, 10_000, 100_000} {
		for _, share := range []int64{0, 32, 16, 8, 4, 2} {
			name := "in step"
			if share > 0 {
				name = fmt.Sprintf("1-%d", share)
			}
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) { benchmarkLag(b, n, share) })
		}
	}
}

func benchmarkLag(b *testing.B, n int, share int64) {
	_, _, dir := countedStore(b, n)
	r := openStore(b, dir, nil)
	if share == 0 {
		r.SetLag(math.MaxInt64, 1, time.Hour)
	} else {
		r.SetLag(0, share, time.Hour)
	}
	turn := 0
	one := func() {
		turn++
		promote(b, r, fmt.Sprintf("1.0.%d", turn%2), mr.Production)
	}
	one()
	document := func() time.Time {
		info, err := os.Stat(modelPath(dir, "registry.json"))
		if err != nil {
			b.Fatal(err)
		}
		return info.ModTime()
	}
	// cycle promotes from one checkpoint to the next.
	cycle := func() (changes int, took time.Duration) {
		start, at := time.Now(), document()
		for at.Equal(document()) {
			one()
			changes++
		}
		return changes, time.Since(start)
	}
	cycle()
	var changes int
	var took time.Duration
	for changes < 20 {
		c, t := cycle()
		changes, took = changes+c, took+t
	}
	each, _ := cycle()
	for range each - 1 {
		one()
	}
	fresh := time.Duration(math.MaxInt64)
	for range 5 {
		start := time.Now()
		reader := openStore(b, dir, nil)
		if _, err := reader.GetModel(context.Background(), fraud.In(mr.Production), nil); err != nil {
			b.Fatal(err)
		}
		fresh = min(fresh, time.Since(start))
	}
	info, err := os.Stat(modelPath(dir, "registry.json"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(took)/float64(changes), "ns/op")
	b.ReportMetric(float64(fresh), "fresh-ns")
	b.ReportMetric(float64(info.Size())/(1<<20), "document-MB")
	b.ReportMetric(float64(each), "changes/checkpoint")
}
