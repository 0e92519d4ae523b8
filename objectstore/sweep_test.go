package objectstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gocloud.dev/gcerrors"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// keys counts the objects with this in their key.
func (f *faultyBucket) keys(t testing.TB, part string) (n int) {
	t.Helper()
	for key := range f.dump(t) {
		if strings.Contains(key, part) {
			n++
		}
	}
	return n
}

func seal(t testing.TB, s mr.Store) driver.StagedFolder {
	t.Helper()
	st, err := s.Stage(t.Context(), fraud.UseCase, fraud.Model)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(st.Dir(), "manifest.json"), []byte(`{"files":[]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := st.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

// An upload that no change names is garbage, whatever its age. A registration
// that only stalled finds that its upload was swept. No version loses its
// files.
func TestSweepOfDeadUpload(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	s := newStore(t, b, nil)
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	st := seal(t, s)
	defer st.Discard()

	sweeper := newStore(t, b, nil)
	if done, err := sweeper.Sweep(t.Context(), fraud, &objectstore.SweepOptions{Apply: true}); len(done) > 0 || err != nil {
		t.Errorf("an upload that may be under way: Sweep = %v, %v", done, err)
	}
	for _, dry := range []bool{true, false} {
		done, err := sweeper.Sweep(t.Context(), fraud, &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: !dry})
		if len(done) != 1 || done[0].Version != "" || err != nil {
			t.Errorf("Sweep = %v, %v", done, err)
		}
		if left := f.keys(t, "/.staging/"); (left > 0) != dry {
			t.Errorf("dry run: %t; %d objects are left", dry, left)
		}
	}
	_, err := s.Append(t.Context(), fraud.UseCase, fraud.Model, func(driver.View) (*driver.Commit, error) {
		return &driver.Commit{Trees: []driver.StagedTree{{Staged: st, Version: "1.0.1"}}, Lines: [][]byte{[]byte("{}")}}, nil
	})
	if !errors.Is(err, objectstore.ErrSwept) {
		t.Errorf("the stalled registration: got error %v, want ErrSwept", err)
	}
	registrytest.Put(t, r, fraud.At("1.0.1"), files) // the history goes on
	registrytest.WantStages(t, registrytest.NewOn(t, newStore(t, b, nil), nil), fraud, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development})
}

// Invariant 5: a process may die between a change and the last copy of its
// files. Every reader can read that version, and a sweep puts it in its place.
func TestSweepOfNamedUpload(t *testing.T) {
	t.Parallel()
	failing := map[string]func(op, key string) bool{
		"first copies": func(op, key string) bool { return op != "delete" && strings.Contains(key, "/versions/1.0.0/m") },
		"a copy": func(op, key string) bool {
			return op != "delete" && strings.HasSuffix(key, "/versions/1.0.0/model/weights.bin")
		},
		"last copy": func(op, key string) bool {
			return op != "delete" && strings.HasSuffix(key, "/versions/1.0.0/manifest.json")
		},
		"one deletion":  func(op, key string) bool { return op == "delete" && strings.HasSuffix(key, "weights.bin") },
		"some deletion": func(op, key string) bool { return op == "delete" && strings.HasSuffix(key, "manifest.json") },
	}
	for dies, fails := range failing {
		f, b := newFaulty(t)
		f.set(func() {
			f.before = func(op, key string) error {
				if (op == "put" || op == "copy" || op == "delete") && fails(op, key) {
					return &codedError{gcerrors.PermissionDenied, "killed"}
				}
				return nil
			}
		})
		r := mr.New(newStore(t, b, nil), nil)
		registrytest.Put(t, r, fraud.In(mr.Production), files)
		f.set(func() { f.before = nil })
		if f.keys(t, "/.staging/") == 0 {
			t.Fatalf("%s: Sweep lists nothing", dies)
		}
		check := func(r *mr.ModelRegistry) {
			t.Helper()
			m, err := r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
		}
		check(registrytest.NewOn(t, newStore(t, b, nil), nil))
		done, err := newStore(t, b, nil).Sweep(context.Background(), fraud, &objectstore.SweepOptions{Apply: true})
		if len(done) != 1 || done[0].Version != "1.0.0" || err != nil {
			t.Errorf("%s: Sweep = %v, %v", dies, done, err)
		}
		if left := f.keys(t, "/.staging/"); left > 0 {
			t.Errorf("%s: %d objects are left over from the upload", dies, left)
		}
		check(registrytest.NewOn(t, newStore(t, b, nil), nil))
		disk, err := mr.Open(copyOut(t, f, ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		check(disk)
		disk.Close()
	}
}

// Invariant 12: when an older registry.json replaces a newer one, its writer
// notices. A copy on disk has the current document once no program changes the
// model.
func TestOlderDocumentReplacesNewer(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	first, second := mr.New(newStore(t, b, nil), nil), mr.New(newStore(t, b, nil), nil)
	registrytest.Put(t, first, fraud.At("1.0.0"), files)
	arrived, release := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "put" && strings.HasSuffix(key, "registry.json") && !held.Swap(true) {
				close(arrived)
				<-release
			}
			return nil
		}
	})
	done := make(chan error, 1)
	go func() {
		_, err := first.Register(t.Context(), fraud, mr.FromFS(files), nil)
		done <- err
	}()
	<-arrived
	registrytest.Put(t, second, fraud.In(mr.Staging), files)
	close(release)
	if err := errors.Join(<-done, first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	disk, err := mr.Open(copyOut(t, f, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	registrytest.WantStages(t, disk, fraud, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Staging})
}
