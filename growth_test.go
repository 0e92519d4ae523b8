package modelregistry_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// TestWorkGrowsLinearly holds that work grows with the bytes of a store and not
// with their square: four times the input may allocate at most six times the
// bytes.
func TestWorkGrowsLinearly(t *testing.T) {
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	look := func(t *testing.T, dir string) {
		r := storetest.Open(t, dir, nil)
		defer r.Close()
		if _, err := r.GetVersion(t.Context(), storetest.Fraud.In(mr.Production)); err != nil {
			t.Fatal(err)
		}
	}
	change := func(t *testing.T, dir string) {
		r := storetest.Open(t, dir, nil)
		defer r.Close()
		storetest.Register(t, r, "9.0.0", nil)
	}
	verify := func(t *testing.T, dir string) {
		r := storetest.Open(t, dir, nil)
		defer r.Close()
		if _, err := r.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	repair := func(t *testing.T, dir string) {
		r := storetest.Open(t, dir, nil)
		defer r.Close()
		if _, err := r.Repair(t.Context(), storetest.Fraud, &mr.RepairOptions{Apply: true}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		size int
		make func(t *testing.T, dir string, size int)
		do   func(t *testing.T, dir string)
	}{
		{"a look after another program deleted half of the versions", 400, prunedStore, look},
		{"a change after it", 400, prunedStore, change},
		{"verify after it", 400, prunedStore, verify},
		{"a look at an entry with many unknown keys", 2000, unknownKeys, look},
		{"a change of it", 2000, unknownKeys, change},
		{"verify of a history with many bad lines", 4000, badLines, verify},
		{"repair of it", 4000, badLines, repair},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var bytes [2]uint64
			for i, size := range []int{tt.size, 4 * tt.size} {
				dir := t.TempDir()
				tt.make(t, dir, size)
				bytes[i] = allocated(func() { tt.do(t, dir) })
			}
			if bytes[1] > 6*bytes[0] {
				t.Errorf("%d of them allocate %d bytes, four times as many %d bytes: %.1f times as much, want at most 6",
					tt.size, bytes[0], bytes[1], float64(bytes[1])/float64(bytes[0]))
			}
		})
	}
}

// writeVersions writes a document of versions as Python does. The last version
// is in production. set has further keys of it.
func writeVersions(t *testing.T, dir string, from, to int, set ...string) {
	t.Helper()
	var entries []string
	for i := from; i < to; i++ {
		version, stage := fmt.Sprintf("1.0.%d", i), "archived"
		var more []string
		if i == to-1 {
			stage, more = "production", set
		}
		entries = append(entries, version, pythonstore.Entry(version, stage, more...))
	}
	pythonstore.At(t, dir).Write("registry.json", pythonstore.Document(entries...))
}

// takenIn makes the registry record a document, and ends all handles of the
// store.
func takenIn(t *testing.T, dir string) {
	t.Helper()
	r := storetest.Open(t, dir, nil)
	storetest.Register(t, r, "8.0.0", nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// prunedStore makes a store from which another program deleted half of the
// versions.
func prunedStore(t *testing.T, dir string, size int) {
	writeVersions(t, dir, 0, size)
	takenIn(t, dir)
	writeVersions(t, dir, size/2, size)
}

// unknownKeys makes a store in which another program changed many keys of an
// entry that the registry does not know.
func unknownKeys(t *testing.T, dir string, size int) {
	set := func(value string) {
		var keys []string
		for i := range size {
			keys = append(keys, fmt.Sprintf("key%d", i), value)
		}
		writeVersions(t, dir, 0, 1, keys...)
	}
	set("1")
	takenIn(t, dir)
	set("2")
}

// badLines makes a store with a history that ends with lines of another kind.
func badLines(t *testing.T, dir string, size int) {
	writeVersions(t, dir, 0, 1)
	takenIn(t, dir)
	storetest.Edit(t, storetest.Path(dir, "history.jsonl"), func(s string) string { return s + strings.Repeat("not JSON\n", size) })
}
