package modelregistry_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
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

// A pythonDocument is a registry.json without the registry's own key.
type pythonDocument struct {
	Model    string                    `json:"model_name"`
	UseCase  string                    `json:"use_case"`
	Versions map[string]map[string]any `json:"versions"`
}

func (d pythonDocument) write(t *testing.T, dir string) {
	t.Helper()
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(storetest.Path(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	storetest.WriteFile(t, storetest.Path(dir, "registry.json"), string(data))
}

func newPythonDocument(versions int) pythonDocument {
	d := pythonDocument{storetest.Fraud.Model, storetest.Fraud.UseCase, map[string]map[string]any{}}
	for i := range versions {
		version, stage := fmt.Sprintf("1.0.%d", i), mr.Archived
		if i == versions-1 {
			stage = mr.Production
		}
		d.Versions[version] = map[string]any{"version": version, "stage": stage, "registered_at": "2026-11-20T05:30:11.655479+00:00",
			"metrics": map[string]any{"auc": 0.9}, "metadata": map[string]any{}}
	}
	return d
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
	d := newPythonDocument(size)
	d.write(t, dir)
	takenIn(t, dir)
	for i := range size / 2 {
		delete(d.Versions, fmt.Sprintf("1.0.%d", i))
	}
	d.write(t, dir)
}

// unknownKeys makes a store in which another program changed many keys of an
// entry that the registry does not know.
func unknownKeys(t *testing.T, dir string, size int) {
	d := newPythonDocument(1)
	set := func(value int) {
		for i := range size {
			d.Versions["1.0.0"][fmt.Sprintf("key%d", i)] = value
		}
		d.write(t, dir)
	}
	set(1)
	takenIn(t, dir)
	set(2)
}

// badLines makes a store with a history that ends with lines of another kind.
func badLines(t *testing.T, dir string, size int) {
	newPythonDocument(1).write(t, dir)
	takenIn(t, dir)
	storetest.Edit(t, storetest.Path(dir, "history.jsonl"), func(s string) string { return s + strings.Repeat("not JSON\n", size) })
}

func TestMessageCutsLongValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 10_000)
	for _, value := range []any{json.Number(long), long} {
		metrics, err := mr.NewValues(map[string]any{"auc": value})
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range gatesOf(t, map[string]any{"min_auc": 0.5}).Evaluate(t.Context(), mr.ModelVersion{Metrics: metrics}) {
			if res.Passed || len(res.Message) > 1000 || !strings.Contains(res.Message, "bytes)") {
				t.Errorf("min_auc of a %T of %d bytes: passed %t, %.2000q; want a refusal of at most 1000 bytes that says how long the value is",
					value, len(long), res.Passed, res.Message)
			}
		}
	}
}
