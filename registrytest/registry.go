// Package registrytest helps to test programs that use a model registry, and
// stores for one.
//
// The test of a program can use a registry in memory:
//
//	func TestServes(t *testing.T) {
//		fraud := mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
//		reg := registrytest.New(t, nil)
//		registrytest.Put(t, reg, fraud.In(mr.Production), fstest.MapFS{"weights.bin": {Data: []byte("…")}})
//
//		weights, err := weightsInProduction(t.Context(), reg, fraud)
//		if string(weights) != "…" || err != nil {
//			t.Errorf("the program serves %q, %v", weights, err)
//		}
//	}
//
// Test an implementation of [driver.Store] with [TestStore]. [WithFaults] shows
// how a program reacts to a store that fails, is slow, or loses an answer.
package registrytest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// New returns a registry on an empty store in memory. When the test ends, the
// registry is checked by Verify and closed.
func New(t testing.TB, opts *mr.Options) *mr.ModelRegistry {
	t.Helper()
	return NewOn(t, NewMemory(t).Open(), opts)
}

// NewOn returns a registry on a store. When the test ends, the registry is
// checked by Verify and closed.
func NewOn(t testing.TB, store mr.Store, opts *mr.Options) *mr.ModelRegistry {
	t.Helper()
	r := mr.New(store, opts)
	t.Cleanup(func() {
		t.Helper()
		report, err := r.Verify(context.Background(), nil)
		if err != nil && !errors.Is(err, mr.ErrClosed) {
			t.Errorf("verifying the registry: %v", err)
		}
		if report != nil {
			for _, f := range report.Problems() {
				t.Errorf("Verify finds a fault: %v", f)
			}
		}
		if err := r.Close(); err != nil {
			t.Errorf("closing the registry: %v", err)
		}
	})
	return r
}

// Put registers a version of the model that ref names, with these files, and
// moves it to the stage that ref names. Without a version in ref it takes the
// next number. Without a stage it leaves the version in development.
func Put(t testing.TB, r *mr.ModelRegistry, ref mr.Ref, files fs.FS) mr.ModelVersion {
	t.Helper()
	return PutWith(t, r, ref, files, nil)
}

// PutWith is Put with options of the registration. Gates in the options are
// stored, but Put moves the version even if they refuse.
func PutWith(t testing.TB, r *mr.ModelRegistry, ref mr.Ref, files fs.FS, opts *mr.RegisterOptions) mr.ModelVersion {
	t.Helper()
	var o mr.RegisterOptions
	if opts != nil {
		o = *opts
	}
	if ref.Version != "" {
		o.Version = ref.Version
	}
	v, err := r.Register(t.Context(), ref.Name, mr.FromFS(files), &o)
	if err != nil {
		t.Fatal(err)
	}
	switch ref.Stage {
	case "", mr.Development:
	case mr.Archived:
		v, err = r.Archive(t.Context(), ref.Name.At(v.Version), nil)
	default:
		v, err = r.Promote(t.Context(), ref.Name.At(v.Version), ref.Stage, &mr.MoveOptions{SkipGates: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// WantStages fails the test unless the model has exactly these versions, in
// these stages.
func WantStages(t testing.TB, r *mr.ModelRegistry, name mr.ModelName, want map[string]mr.ModelStage) {
	t.Helper()
	list, err := r.ListVersions(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(list)
	for _, v := range list {
		if stage, ok := want[v.Version]; !ok {
			t.Errorf("%s has the version %s in %s, want no such version", name, v.Version, v.Stage)
		} else if stage != v.Stage {
			t.Errorf("%s is in %s, want it in %s", name.At(v.Version), v.Stage, stage)
		}
	}
	for version := range want {
		if !slices.ContainsFunc(list, func(v mr.ModelVersion) bool { return v.Version == version }) {
			t.Errorf("there is no %s, want one", name.At(version))
		}
	}
}
