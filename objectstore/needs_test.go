package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/gcerrors"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/objectstore"
)

// frozen is a model that needs something that this release does not know.
var frozen = mr.ModelName{UseCase: "fraud_detection", Model: "FrozenModel"}

const laterStore = "../testdata/stores/later-release"

// wantFormatError checks that err names the need.
func wantFormatError(t testing.TB, what string, err error) {
	t.Helper()
	var f *mr.FormatError
	if !errors.Is(err, mr.ErrFormat) || !errors.As(err, &f) || len(f.Needs) != 1 || !strings.Contains(err.Error(), `"freeze-windows"`) {
		t.Errorf("%s: got error %v, want one that matches ErrFormat and names freeze-windows", what, err)
	}
}

// untouched returns a function that fails the test if an object of the model
// has changed.
func (f *faultyBucket) untouched(t testing.TB) func() {
	t.Helper()
	look := func() map[string]string {
		m := f.dump(t)
		maps.DeleteFunc(m, func(key, _ string) bool { return !strings.HasPrefix(key, frozen.String()+"/") })
		return m
	}
	before := look()
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, look()); diff != "" {
			t.Errorf("the objects changed (-before +after):\n%s", diff)
		}
	}
}

// laterBuckets runs a test on buckets that a later release could have written:
// with a copied folder, with the history in changes, and with the document
// alone.
func laterBuckets(t *testing.T, test func(t *testing.T, f *faultyBucket, open func() *objectstore.Store)) {
	lines, err := os.ReadFile(filepath.Join(laterStore, frozen.String(), "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for name, prepare := range map[string]func(f *faultyBucket, s *objectstore.Store) error{
		"copied folder": func(*faultyBucket, *objectstore.Store) error { return nil },
		"changes": func(f *faultyBucket, s *objectstore.Store) error {
			if err := f.b.Delete(t.Context(), frozen.String()+"/history.jsonl"); err != nil {
				return err
			}
			for line := range bytes.Lines(lines) {
				_, err := s.Append(t.Context(), frozen.UseCase, frozen.Model, func(driver.View) (*driver.Commit, error) {
					return &driver.Commit{Lines: [][]byte{bytes.TrimSuffix(line, []byte("\n"))}}, nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
		"document alone": func(f *faultyBucket, _ *objectstore.Store) error {
			return f.b.Delete(t.Context(), frozen.String()+"/history.jsonl")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := newFaulty(t)
			copyIn(t, f, laterStore, "")
			open := func() *objectstore.Store { return newStore(t, b, nil) }
			if err := prepare(f, open()); err != nil {
				t.Fatal(err)
			}
			test(t, f, open)
		})
	}
}

// No change happens, and no change takes over the log of a copied folder.
func TestUnknownNeedRefusesEveryChange(t *testing.T) {
	t.Parallel()
	laterBuckets(t, func(t *testing.T, f *faultyBucket, open func() *objectstore.Store) {
		check := f.untouched(t)
		r := mr.New(open(), nil)
		list, err := r.ListVersions(t.Context(), frozen)
		if err != nil || len(list) != 3 {
			t.Fatalf("%d versions, %v", len(list), err)
		}
		_, err = r.Archive(t.Context(), frozen.At("1.0.0"), nil)
		wantFormatError(t, "archive", err)
		_, err = r.Promote(t.Context(), frozen.At("1.0.2"), mr.Production, nil)
		wantFormatError(t, "promote", err)
		_, err = r.Register(t.Context(), frozen, mr.FromFS(files), nil)
		wantFormatError(t, "register", err)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		check()
	})
}

// Sweep does not record that an upload is dead, and does not put an upload in
// place.
func TestUnknownNeedRefusesSweep(t *testing.T) {
	t.Parallel()
	laterBuckets(t, func(t *testing.T, f *faultyBucket, open func() *objectstore.Store) {
		key := frozen.String() + "/.staging/" + strings.Repeat("0a", 16) + "/manifest.json"
		if err := f.b.WriteAll(t.Context(), key, []byte(`{"files":[]}`), nil); err != nil {
			t.Fatal(err)
		}
		check := f.untouched(t)
		for _, dry := range []bool{true, false} {
			done, err := open().Sweep(t.Context(), frozen, &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: !dry})
			if dry && (err != nil || len(done) != 1) {
				t.Errorf("Sweep lists %v, %v", done, err)
			}
			if !dry {
				wantFormatError(t, "sweep", err)
			}
			check()
		}
	})
}

// Sweep does not put files in place that a change names.
func TestUnknownNeedRefusesSweepOfNamedFiles(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	f.set(func() {
		f.before = func(op, key string) error {
			if op != "delete" && strings.Contains(key, "/versions/1.0.0/m") {
				return &codedError{gcerrors.PermissionDenied, "killed"}
			}
			return nil
		}
	})
	r := mr.New(newStore(t, b, nil), nil)
	if _, err := r.Register(t.Context(), frozen, mr.FromFS(files), nil); err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.before = nil })
	named := f.keys(t, "/.staging/")
	if named == 0 {
		t.Fatal("the files are in place, want them staged")
	}
	_, err := newStore(t, b, nil).Append(t.Context(), frozen.UseCase, frozen.Model, func(driver.View) (*driver.Commit, error) {
		return &driver.Commit{Lines: [][]byte{[]byte(`{"event":2,"op":"policy","model":{"needs":["freeze-windows"]}}`)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = newStore(t, b, nil).Sweep(t.Context(), frozen, &objectstore.SweepOptions{Apply: true})
	wantFormatError(t, "a sweep of named files", err)
	if got := f.keys(t, "/.staging/"); got != named {
		t.Errorf("%d objects are staged, want %d", got, named)
	}
}

// If an unknown need is written during a sweep, the sweep finds it before it
// records anything.
func TestUnknownNeedDuringSweep(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := mr.New(newStore(t, b, nil), nil)
	if _, err := r.Register(t.Context(), frozen, mr.FromFS(files), nil); err != nil {
		t.Fatal(err)
	}
	dead := frozen.String() + "/.staging/" + strings.Repeat("0a", 16) + "/manifest.json"
	if err := f.b.WriteAll(t.Context(), dead, []byte(`{"files":[]}`), nil); err != nil {
		t.Fatal(err)
	}
	var came atomic.Bool
	f.set(func() {
		f.before = func(op, key string) error {
			if op != "put" || !strings.Contains(key, "/history/") || came.Swap(true) {
				return nil // not for the sweep's own record
			}
			_, err := newStore(t, b, nil).Append(context.Background(), frozen.UseCase, frozen.Model, func(driver.View) (*driver.Commit, error) {
				return &driver.Commit{Lines: [][]byte{[]byte(`{"event":2,"op":"policy","model":{"needs":["freeze-windows"]}}`)}}, nil
			})
			return err
		}
	})
	_, err := newStore(t, b, nil).Sweep(t.Context(), frozen, &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: true})
	wantFormatError(t, "sweep", err)
	if _, there := f.dump(t)[dead]; !there || !came.Load() {
		t.Errorf("the dead upload exists: %t; the need was written: %t", there, came.Load())
	}
}
