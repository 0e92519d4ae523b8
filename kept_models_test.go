package modelregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// documents returns the registry.json of models as another program writes it,
// and the size of one.
func documents(models, versions int) (list map[mr.ModelName]string, names []mr.ModelName, size int64) {
	list = map[mr.ModelName]string{}
	for i := range models {
		name := mr.ModelName{UseCase: "u", Model: fmt.Sprintf("M%02d", i)}
		var entries []string
		for v := range versions {
			entries = append(entries, fmt.Sprintf(`"1.0.%d": {"version": "1.0.%[1]d", "stage": "development", "registered_at": "2026-11-24T00:00:00",`+
				` "metrics": {"auc": 0.9471, "loss": 0.1944}, "metadata": {"framework": "gonum"}}`, v))
		}
		var document bytes.Buffer
		if err := json.Indent(&document, fmt.Appendf(nil, `{"use_case": "u", "model_name": %q, "versions": {%s}}`, name.Model, strings.Join(entries, ", ")), "", "  "); err != nil {
			panic(err)
		}
		list[name], names, size = document.String(), append(names, name), int64(document.Len())
	}
	return list, names, size
}

// A loadCounter counts how often the registry reads a model because it has no
// state of it, or an old one.
type loadCounter struct {
	driver.Store
	loads atomic.Int64
}

func (s *loadCounter) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	s.loads.Add(1)
	return s.Store.Read(ctx, useCase, model, look)
}

// Above Options.KeepBytes, the registry drops the models that were used least
// recently, and no others.
func TestModelsUsedLeastRecentlyAreDropped(t *testing.T) {
	t.Parallel()
	list, names, size := documents(6, 100)
	memory := registrytest.NewMemory(t)
	for name, document := range list {
		if err := memory.WriteDocument(name, []byte(document)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		keep int64
		use  []int // models, by their places
		want int64 // how many of these uses load the model
	}{
		{0, []int{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5}, 6},
		{3*size + size/2, []int{0, 1, 2, 2, 1, 0}, 3},
		{3*size + size/2, []int{0, 1, 2, 3, 1, 2, 3}, 4},
		{3*size + size/2, []int{0, 1, 2, 3, 0}, 5},
		{3*size + size/2, []int{0, 1, 2, 0, 3, 0, 2, 3, 1}, 5}, // 0 was used after 1
		{3*size + size/2, []int{0, 1, 2, 3, 4, 5, 3, 4, 5, 2}, 7},
		{-1, []int{0, 0, 1, 1, 0, 0}, 3},
		{size / 2, []int{0, 0, 1, 1, 0}, 3},
	} {
		s := &loadCounter{Store: memory.Open()}
		r := mr.New(s, &mr.Options{KeepBytes: c.keep})
		for _, i := range c.use {
			if list, err := r.ListVersions(t.Context(), names[i]); err != nil || len(list) != 100 {
				t.Fatalf("%d versions are listed, %v", len(list), err)
			}
		}
		if got := s.loads.Load(); got != c.want {
			t.Errorf("with %d bytes, the models %v load %d times, want %d", c.keep, c.use, got, c.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What readers derived from a dropped model is dropped, too. The test is not
// parallel, because it measures the heap.
func TestDroppedModelsTakeNoMemory(t *testing.T) {
	const models, versions = 40, 500
	list, names, size := documents(models, versions)
	dir := t.TempDir()
	for name, document := range list {
		writeFile(t, filepath.Join(dir, name.UseCase, name.Model, "registry.json"), document)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	grown := func(keep int64) int64 {
		r, err := mr.Open(dir, &mr.Options{KeepBytes: keep})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		before := heap()
		for _, name := range names {
			if _, err := r.ListVersions(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		return heap() - before
	}
	all, few := grown(0), grown(4*size)
	if all < models*size || few > all/5 {
		t.Errorf("with all of %d models in memory the heap grows by %d bytes, and with 4 of them by %d; want at least %d, and at most a fifth of that",
			models, all, few, models*size)
	}
}

// Models are dropped and read again while other goroutines read and change
// them.
func TestModelsAreDroppedWhileOthersUseThem(t *testing.T) {
	t.Parallel()
	const models, writers, each = 3, 2, 6
	for name, open := range map[string]func() mr.Store{
		"folder": func() mr.Store { return mr.FolderStore(t, t.TempDir()) },
		"memory": registrytest.NewMemory(t).Open,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := mr.New(open(), &mr.Options{KeepBytes: -1})
			defer r.Close()
			var writing, reading sync.WaitGroup
			stop := make(chan struct{})
			for i := range models {
				name := mr.ModelName{UseCase: "u", Model: fmt.Sprint("M", i)}
				for range writers {
					writing.Go(func() {
						for range each {
							v, err := r.Register(t.Context(), name, artifact(), nil)
							if err == nil {
								_, err = r.Promote(t.Context(), v.Ref(), mr.Production, nil)
							}
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
				reading.Go(func() {
					last := 0
					for {
						select {
						case <-stop:
							return
						default:
						}
						list, err := r.ListVersions(t.Context(), name)
						if err == nil && len(list) < last {
							t.Errorf("%d versions are listed after %d", len(list), last)
						}
						last = max(last, len(list))
						runtime.Gosched()
					}
				})
			}
			writing.Wait()
			close(stop)
			reading.Wait()
			report, err := r.Verify(t.Context(), nil)
			if err != nil || len(report.Findings) > 0 || report.Versions != models*writers*each {
				t.Errorf("%d versions with %v, %v; want %d", report.Versions, report.Findings, err, models*writers*each)
			}
		})
	}
}
