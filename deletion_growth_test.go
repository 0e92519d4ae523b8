package modelregistry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// manyTrees is countedStore with files for each version.
func manyTrees(t *testing.T, n int) (*mr.ModelRegistry, *countingDisk, string) {
	t.Helper()
	r, d, dir := countedStore(t, n)
	d.fine = true
	old := time.Now().Add(-time.Hour)
	r.SetLag(1<<15, 2, time.Hour)
	for i := 1; i <= n; i++ {
		tree := modelPath(dir, "versions", fmt.Sprintf("0.%d.%d", i/1000, i%1000))
		writeFile(t, filepath.Join(tree, "model", "weights"), "w")
		for _, name := range []string{"model/weights", "model", "."} { // older than any purge
			if err := os.Chtimes(filepath.Join(tree, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r, d, dir
}

// The calls of the disk and the allocations of Retain and Purge grow with the
// number of versions, and not with its square.
func TestRetainAndPurgeGrowLinearly(t *testing.T) { // not parallel: it counts for the whole program
	const small, times = 500, 4
	type work struct {
		counts
		AllocatedKB int64
	}
	did := map[string][]work{}
	for _, n := range []int{small, times * small} {
		r, d, dir := manyTrees(t, n)
		gone := n * 9 / 10
		measure := func(name string, do func() error) {
			t.Helper()
			var before, after runtime.MemStats
			d.take()
			runtime.GC()
			runtime.ReadMemStats(&before)
			if err := do(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			runtime.ReadMemStats(&after)
			did[name] = append(did[name], work{d.take(), int64(after.TotalAlloc-before.TotalAlloc) >> 10})
		}
		events := len(history(t, dir))
		measure("Retain", func() error {
			_, err := r.Retain(t.Context(), fraud, mr.Retention{KeepLast: n + 2 - gone}, &mr.RetainOptions{Apply: true})
			return err
		})
		if got := len(history(t, dir)) - events; got != gone {
			t.Fatalf("Retain wrote %d events, want one for each of %d versions", got, gone)
		}
		measure("Purge", func() error {
			list, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true})
			if err == nil && len(list.Versions) != gone {
				err = fmt.Errorf("%d versions, want %d", len(list.Versions), gone)
			}
			return err
		})
		if hasTree(dir, "0.0.1") || !hasTree(dir, fmt.Sprintf("0.%d.%d", n/1000, n%1000)) {
			t.Errorf("of %d versions the oldest has files, or the newest has none", n)
		}
	}
	for name, w := range did {
		a, b := reflect.ValueOf(w[0]), reflect.ValueOf(w[1])
		for _, f := range reflect.VisibleFields(a.Type()) {
			if f.Anonymous {
				continue
			}
			if few, many := a.FieldByIndex(f.Index).Int(), b.FieldByIndex(f.Index).Int(); many > (times+1)*few+100 {
				t.Errorf("%s of %d versions takes %d %s, of %d versions %d", name, small, few, f.Name, times*small, many)
			}
		}
	}
}

// Retain and Purge report how far they are, and go on where an interrupted call
// stopped.
func TestRetainAndPurgeGoOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	const n = 250
	r, _, dir := manyTrees(t, n)
	var reported []mr.DeletionProgress
	interrupted := func(do func(context.Context, func(mr.DeletionProgress)) error) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		err := do(ctx, func(mr.DeletionProgress) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted: got error %v", err)
		}
		reported = nil
		if err := do(t.Context(), func(p mr.DeletionProgress) { reported = append(reported, p) }); err != nil {
			t.Fatal(err)
		}
	}
	events := len(history(t, dir))
	deleted := 0
	interrupted(func(ctx context.Context, report func(mr.DeletionProgress)) error {
		list, err := r.Retain(ctx, fraud, mr.Retention{KeepLast: 2}, &mr.RetainOptions{Apply: true, Progress: report})
		deleted += len(slices.DeleteFunc(list, func(v mr.RetainedVersion) bool { return !v.Deleted }))
		return err
	})
	if diff := cmp.Diff([]mr.DeletionProgress{{Done: 100, Total: 150}, {Done: 150, Total: 150}}, reported); diff != "" {
		t.Errorf("Retain reports (-want +got):\n%s", diff)
	}
	if got := len(history(t, dir)) - events; got != n || deleted != n {
		t.Errorf("Retain wrote %d events and said of %d versions that they are deleted, want %d", got, deleted, n)
	}
	events = len(history(t, dir))
	removed := 0
	interrupted(func(ctx context.Context, report func(mr.DeletionProgress)) error {
		list, err := r.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true, Progress: report})
		removed += len(slices.DeleteFunc(list.Versions, func(v mr.PurgedVersion) bool { return !v.Removed }))
		return err
	})
	if last := reported[len(reported)-1]; last.Done != last.Total || last.Total == 0 || last.Total >= n {
		t.Errorf("Purge reports at the end %+v", last)
	}
	if got := len(history(t, dir)) - events; got != 1 || removed != n {
		t.Errorf("Purge wrote %d events and removed %d versions, want 1 and %d", got, removed, n)
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

// Retain decides about each version by what holds when it deletes the version.
func TestRetainDecidesByWhatHoldsThen(t *testing.T) {
	t.Parallel()
	const n = 150
	r, _, dir := manyTrees(t, n)
	other := openStore(t, dir, nil)
	ctx := t.Context()
	meanwhile := func() {
		if err := other.Hold(ctx, fraud.At("0.0.120"), &mr.KeepOptions{Actor: "law"}); err != nil {
			t.Error(err)
		}
		if err := other.Annotate(ctx, fraud.At("0.0.121"), mr.Note{Set: map[string]string{"keep": ""}}, nil); err != nil {
			t.Error(err)
		}
		if err := other.Delete(ctx, fraud.At("0.0.122"), nil); err != nil {
			t.Error(err)
		}
		if err := other.Delete(ctx, fraud.At("1.0.1"), &mr.KeepOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}
	list, err := r.Retain(ctx, fraud, mr.Retention{KeepLast: 3, KeepTagged: []string{"keep"}}, &mr.RetainOptions{Apply: true,
		Progress: func(p mr.DeletionProgress) {
			if p.Done < p.Total {
				meanwhile()
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for _, v := range list {
		if !v.Deleted {
			kept[v.Version] = strings.Join(v.Keep, "; ")
		}
	}
	want := map[string]string{
		"0.0.120": "it is held by law", "0.0.121": "it has the tag keep", "0.0.149": "it is one of the last 3", "0.0.150": "it is one of the last 3",
		"1.0.0": "it is in production; it is one of the last 3", "1.0.1": "it has the highest number, which Ubunye would give again; it is one of the last 3",
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// The records of deleted versions count as a part of the document. If they make
// it large, a change does not rewrite it.
func TestRecordsOfDeletedVersionsMakeADocumentLarge(t *testing.T) {
	t.Parallel()
	r, d, dir := countedStore(t, 500)
	if _, err := r.Retain(t.Context(), fraud, mr.Retention{KeepLast: 2}, &mr.RetainOptions{Apply: true, Reason: strings.Repeat("x", 4<<10)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Checkpoint(t.Context(), fraud); err != nil {
		t.Fatal(err)
	}
	again, read := counted(t, dir)
	for _, of := range []struct {
		which string
		r     *mr.ModelRegistry
		d     *countingDisk
		to    string
	}{{"that deleted them", r, d, "1.0.1"}, {"that read their records", again, read, "1.0.0"}} {
		of.r.SetLag(1<<20, 8, time.Hour)
		of.d.take()
		promote(t, of.r, of.to, mr.Production)
		if n := of.d.take(); n.WrittenKB > 64 {
			t.Errorf("the registry %s writes %d KB for a promotion, want no document", of.which, n.WrittenKB)
		}
	}
}
