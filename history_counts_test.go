package modelregistry_test

import (
	"os"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// What a question about the newest part of a history costs does not grow with
// the history: at ten thousand events at most twice the reads, bytes and
// allocations of a hundred. The document is not read again.
func TestHistoryFromItsEndDoesNotGrow(t *testing.T) { // not parallel: it counts allocations of the whole program
	type cost struct {
		counts
		allocs float64
	}
	type counted struct {
		*mr.ModelRegistry
		disk *countingDisk
		last int64 // event
	}
	var stores []counted
	for _, n := range []int{100, 10_000} {
		r, d, dir := countedStore(t, n)
		old := time.Now().Add(-time.Hour) // what is fresh is read again
		for _, file := range []string{"history.jsonl", "registry.json"} {
			if err := os.Chtimes(modelPath(dir, file), old, old); err != nil {
				t.Fatal(err)
			}
		}
		stores = append(stores, counted{r, d, int64(n) + 3})
	}
	ask := func(t *testing.T, r *mr.ModelRegistry, opts *mr.HistoryOptions, want int) {
		n := 0
		for _, err := range r.History(t.Context(), fraud, opts) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == want && opts.Newest {
				break
			}
		}
		if n != want {
			t.Fatalf("%d events, want %d", n, want)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for name, question := range map[string]func(t *testing.T, r *mr.ModelRegistry, last int64){
		"newest 10": func(t *testing.T, r *mr.ModelRegistry, _ int64) {
			ask(t, r, &mr.HistoryOptions{Newest: true}, 10)
		},
		"after an event": func(t *testing.T, r *mr.ModelRegistry, last int64) {
			ask(t, r, &mr.HistoryOptions{After: last - 10}, 10)
		},
		"after the last event": func(t *testing.T, r *mr.ModelRegistry, last int64) {
			ask(t, r, &mr.HistoryOptions{After: last}, 0)
		},
		"since a time": func(t *testing.T, r *mr.ModelRegistry, _ int64) {
			ask(t, r, &mr.HistoryOptions{Since: yesterday}, 3)
		},
		"in production now": func(t *testing.T, r *mr.ModelRegistry, _ int64) {
			if p, err := r.ProductionAt(t.Context(), fraud, time.Time{}); err != nil || p.Version != "1.0.0" {
				t.Fatal(p.Version, err)
			}
		},
		"in production yesterday": func(t *testing.T, r *mr.ModelRegistry, _ int64) {
			if list, err := r.StageAt(t.Context(), fraud, mr.Production, yesterday); err != nil || len(list) > 0 {
				t.Fatal(list, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var costs [2]cost
			for i, r := range stores {
				ask := func() { question(t, r.ModelRegistry, r.last) }
				ask() // loads the state
				r.disk.take()
				ask()
				costs[i] = cost{r.disk.take(), testing.AllocsPerRun(3, ask)}
			}
			few, many := costs[0], costs[1]
			if many.Reads > 2*few.Reads || many.ReadKB > 2*few.ReadKB || many.Stamps > few.Stamps || many.Opens > few.Opens || many.allocs > 2*few.allocs {
				t.Errorf("of 10,000 events it costs %+v, want at most twice what it costs of 100: %+v", many, few)
			}
		})
	}
}
