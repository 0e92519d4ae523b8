package bench_test

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/bench"
)

// BenchmarkFind compares Find with a plain walk: ListVersions of every model.
// The store has 1,000 models with 100 versions each. A registry is opened for
// each walk. The live heap is the most that was in use after a collection.
func BenchmarkFind(b *testing.B) {
	dir := manyModels(b, 1_000, 100)
	where, err := mr.ParseMetricCondition("auc>=0.9")
	check(b, err)
	conditions := []mr.MetricCondition{where}
	for _, of := range []struct {
		name string
		walk func(*mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error]
	}{
		{"plain", func(r *mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error] { return plainWalk(b, r) }},
		{"all", func(r *mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error] { return r.Find(b.Context(), nil) }},
		{"metric", func(r *mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error] {
			return r.Find(b.Context(), &mr.Query{Metrics: conditions})
		}},
		{"order", func(r *mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error] {
			return r.Find(b.Context(), &mr.Query{OrderBy: "auc", Descending: true})
		}},
		{"order and limit", func(r *mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error] {
			return r.Find(b.Context(), &mr.Query{OrderBy: "auc", Descending: true, Limit: 5})
		}},
	} {
		b.Run(of.name, func(b *testing.B) {
			most := watchHeap(b)
			n := 0
			for b.Loop() {
				r, err := mr.Open(dir, nil)
				check(b, err)
				for _, err := range of.walk(r) {
					check(b, err)
					n++
				}
				check(b, r.Close())
			}
			b.ReportMetric(float64(n)/float64(b.N), "versions")
			b.ReportMetric(most(), "MB-live")
		})
	}
}

func plainWalk(b *testing.B, r *mr.ModelRegistry) iter.Seq2[mr.ModelVersion, error] {
	return func(yield func(mr.ModelVersion, error) bool) {
		for name, err := range r.Models(b.Context()) {
			check(b, err)
			list, err := r.ListVersions(b.Context(), name)
			check(b, err)
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// manyModels returns a store whose models are copies of one.
func manyModels(b *testing.B, models, versions int) string {
	dir := b.TempDir()
	one := b.TempDir()
	_, err := bench.Generate(one, versions)
	check(b, err)
	for i := range models {
		for _, name := range []string{"registry.json", "history.jsonl"} {
			data := must[[]byte](b)(os.ReadFile(filepath.Join(one, bench.Name.UseCase, bench.Name.Model, name)))
			to := filepath.Join(dir, bench.Name.UseCase, fmt.Sprintf("%s%04d", strings.ToLower(bench.Name.Model), i))
			check(b, os.MkdirAll(to, 0o777))
			check(b, os.WriteFile(filepath.Join(to, name), data, 0o666))
		}
	}
	return dir
}

// watchHeap returns the largest live heap since, in MB above that of now.
func watchHeap(b *testing.B) (most func() float64) {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtime.GC()
	metrics.Read(sample)
	first := sample[0].Value.Uint64()
	high := first
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				metrics.Read(sample)
				high = max(high, sample[0].Value.Uint64())
			}
		}
	}()
	return func() float64 {
		close(stop)
		<-done
		return float64(high-first) / 1e6
	}
}
