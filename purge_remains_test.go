package modelregistry_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
)

// Purge removes what dead registrations left, and files that were put aside
// long ago. It touches nothing of a registration that is under way, and no
// other files.
func TestPurgeRemovesWhatFailedRegistrationsLeft(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	saves, goOn, registered := make(chan string), make(chan struct{}), make(chan error)
	go func() {
		_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
			saves <- dir
			<-goOn
			return os.WriteFile(path.Join(dir, "weights"), []byte("w"), 0o644)
		}), nil)
		registered <- err
	}()
	living := <-saves
	id := func(digit string) string { return strings.Repeat(digit, 32) }
	now, old := time.Now().UTC().Format("20060102T150405Z"), time.Now().Add(-31*24*time.Hour)
	for _, name := range []string{
		".staging/" + id("1") + "/tree/model/weights", ".staging/notes/weights", "versions/1.0.7/manifest.json",
		".orphans/1.0.3-" + id("2") + "/model/weights", ".orphans/1.0.4-" + now + "-12345678/model/weights",
		".orphans/1.0.5-20200101T000000Z-12345678/model/weights", ".orphans/1.0.6-" + id("3") + "/model/weights",
		".orphans/notes/weights", ".orphans/1.0.8-" + id("4"),
	} {
		writeFile(t, modelPath(dir, name), "w")
		if !strings.Contains(name, "1.0.6") {
			for part := name; path.Dir(part) != "."; part = path.Dir(part) {
				if err := os.Chtimes(modelPath(dir, part), old, old); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	events := len(history(t, dir))
	purge := func(o mr.PurgeOptions, want ...string) {
		t.Helper()
		report, err := r.Purge(t.Context(), fraud, &o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range report.Remains {
			got = append(got, string(f.Kind)+" "+strings.TrimPrefix(f.Path, fraud.String()+"/"))
			if f.Files != 1 || f.Bytes != 1 || f.Removed != o.Apply {
				t.Errorf("%+v: want one file of one byte, removed: %v", f, o.Apply)
			}
			if _, err := os.Stat(path.Join(dir, f.Path)); os.IsNotExist(err) != o.Apply {
				t.Errorf("with %+v: %s: %v", o, f.Path, err)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %+v (-want +got):\n%s", o, diff)
		}
	}
	aged := []string{"orphan .orphans/1.0.3-" + id("2"), "orphan .orphans/1.0.5-20200101T000000Z-12345678", "staging .staging/" + id("1")}
	purge(mr.PurgeOptions{}, aged...)
	purge(mr.PurgeOptions{Apply: true}, aged...)
	purge(mr.PurgeOptions{Apply: true, OlderThan: time.Hour})
	purge(mr.PurgeOptions{Apply: true, Now: true}, "orphan .orphans/1.0.4-"+now+"-12345678", "orphan .orphans/1.0.6-"+id("3"))
	purge(mr.PurgeOptions{Apply: true, Now: true})
	for _, name := range []string{".staging/notes/weights", "versions/1.0.7/manifest.json", ".orphans/notes/weights", ".orphans/1.0.8-" + id("4"), "versions/1.0.0/model"} {
		if _, err := os.Stat(modelPath(dir, name)); err != nil {
			t.Errorf("Purge removed what it must leave: %v", err)
		}
	}
	if _, err := os.Stat(living); err != nil {
		t.Errorf("the files of a registration that is under way: %v", err)
	}
	close(goOn)
	if err := <-registered; err != nil {
		t.Errorf("a registration that was under way: %v", err)
	}
	if got := len(history(t, dir)) - events; got != 1 {
		t.Errorf("%d events, want that of the registration only", got)
	}
}

// Files that a registration or a repair puts aside are as old as that, although
// they were written before.
func TestPurgeSparesWhatWasPutAsideJustNow(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	tree := modelPath(dir, "versions", "1.0.1")
	if err := os.CopyFS(tree, os.DirFS(modelPath(dir, "versions", "1.0.0"))); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-60 * 24 * time.Hour)
	if err := os.RemoveAll(path.Join(tree, "model")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"manifest.json", "metadata.json", "metrics.json", ""} {
		if err := os.Chtimes(path.Join(tree, file), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	report, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Apply: true})
	if err != nil || len(report.Remains) != 0 {
		t.Errorf("Purge does %+v, %v; want nothing yet", report, err)
	}
	report, err = r.Purge(t.Context(), fraud, &mr.PurgeOptions{Apply: true, Now: true})
	if err != nil || len(report.Remains) != 1 || report.Remains[0].Kind != mr.PutAsideFiles {
		t.Errorf("Purge now does %+v, %v; want the files that were put aside", report, err)
	}
}

// A registration that died before its model was made leaves files, too.
func TestPurgeOfAModelThatNeverCameToBe(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	staging := modelPath(dir, ".staging", strings.Repeat("a", 32))
	writeFile(t, path.Join(staging, "tree", "model", "weights"), "w")
	report, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Apply: true})
	if err != nil || len(report.Remains) != 1 || !report.Remains[0].Removed {
		t.Errorf("Purge does %+v, %v", report, err)
	}
	if _, err := os.Stat(staging); !os.IsNotExist(err) {
		t.Errorf("the staging folder: %v", err)
	}
	if report, err := r.Purge(t.Context(), fraud, nil); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("Purge of nothing lists %+v, %v; want ErrNotFound", report, err)
	}
}

// Another program may use the number of a purged version again. Purge does not
// touch the files that it is saving, which are newer than the purge.
func TestPurgeSparesAReusedNumber(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	ctx := t.Context()
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, r, v, nil)
	}
	if err := r.Delete(ctx, fraud.At("1.0.1"), &mr.KeepOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true}); err != nil {
		t.Fatal(err)
	}
	weights := modelPath(dir, "versions", "1.0.1", "model", "weights")
	writeFile(t, weights, "another program's")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(weights, old, old); err != nil { // a copy may keep its time
		t.Fatal(err)
	}
	report, err := r.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true})
	if err != nil || len(report.Versions) > 0 {
		t.Errorf("Purge does %+v, %v; want nothing", report, err)
	}
	if _, err := os.Stat(weights); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"versions/1.0.1/model", "versions/1.0.1"} {
		if err := os.Chtimes(modelPath(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	report, err = r.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true})
	if err != nil || len(report.Versions) != 1 || !report.Versions[0].Removed {
		t.Errorf("Purge of files that are older than the first purge: %+v, %v; want them removed", report, err)
	}
}

// If the files of one version can't be removed, as on Windows while a program
// has one of them open, Purge removes the others.
func TestPurgeGoesOnAfterAVersionThatItCannotRemove(t *testing.T) {
	t.Parallel()
	dir, disk := t.TempDir(), &crashtest.Faulty{}
	r, err := mr.OpenOn(dir, nil, disk.Wrap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	const n = 20 // more than are removed in one turn
	for range n + 1 {
		register(t, r, "", nil)
	}
	if _, err := r.Retain(t.Context(), fraud, mr.Retention{KeepLast: 1}, &mr.RetainOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	disk.Fail(crashtest.Fault{Err: fs.ErrPermission, On: func(op, name string) bool {
		return op == "rename" && strings.HasSuffix(name, "versions/1.0.3")
	}})
	report, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true})
	if _, hit := disk.Heal(); hit == "" {
		t.Fatal("the fault was not hit")
	}
	var left []string
	for _, v := range report.Versions {
		if !v.Removed {
			left = append(left, v.Version)
		}
		if hasTree(dir, v.Version) == v.Removed {
			t.Errorf("%s: removed is %v, which is wrong", v.Version, v.Removed)
		}
	}
	if !errors.Is(err, fs.ErrPermission) || len(report.Versions) != n || !slices.Equal(left, []string{"1.0.3"}) {
		t.Errorf("Purge of %d versions leaves %v, %v; want 1.0.3 and its error", len(report.Versions), left, err)
	}
	report, err = r.Purge(t.Context(), fraud, &mr.PurgeOptions{Apply: true})
	if err != nil || len(report.Versions) != 1 || !report.Versions[0].Removed || report.Versions[0].Version != "1.0.3" {
		t.Errorf("the next purge does %+v, %v", report, err)
	}
}
