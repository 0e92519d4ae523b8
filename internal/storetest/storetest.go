// Package storetest is the fixture of most tests: one model, what is done with
// it, a store of three versions, and the ways to harm that store. It knows the
// files of a store, and not how the registry reads them.
package storetest

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// Fraud is the model that most tests are about.
var Fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// Artifact is a small artifact of one file.
func Artifact() mr.Artifact {
	return mr.FromFS(fstest.MapFS{"weights.bin": {Data: []byte("weights"), Mode: 0o644}})
}

// Ticker is a clock that goes on by a second at each look.
func Ticker() func() time.Time {
	var looks atomic.Int64
	return func() time.Time {
		return time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC).Add(time.Duration(looks.Add(1)) * time.Second)
	}
}

// Open opens a registry on this machine, until the test ends.
func Open(t testing.TB, dir string, opts *mr.Options) *mr.ModelRegistry {
	t.Helper()
	r, err := mr.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Path is a path below the folder of Fraud.
func Path(dir string, elem ...string) string {
	return filepath.Join(append([]string{dir, Fraud.UseCase, Fraud.Model}, elem...)...)
}

// Register adds a version of Fraud; an empty version is chosen by the registry.
func Register(t testing.TB, r *mr.ModelRegistry, version string, metrics map[string]any) mr.ModelVersion {
	t.Helper()
	v, err := r.Register(t.Context(), Fraud, Artifact(), &mr.RegisterOptions{Version: version, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Promote moves a version of Fraud up.
func Promote(t testing.TB, r *mr.ModelRegistry, version string, to mr.ModelStage) mr.ModelVersion {
	t.Helper()
	v, err := r.Promote(t.Context(), Fraud.At(version), to, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// WriteFile writes a file and the folders above it.
func WriteFile(t testing.TB, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
}

// Three makes a store of three versions: 1.0.0 archived, 1.0.1 in production,
// 1.0.2 in development. open opens its registry.
func Three(t testing.TB, open func(testing.TB, string, *mr.Options) *mr.ModelRegistry) (dir string) {
	t.Helper()
	dir = t.TempDir()
	r := open(t, dir, &mr.Options{Now: Ticker()})
	for _, v := range []string{"1.0.0", "1.0.1"} {
		Register(t, r, v, map[string]any{"auc": 0.9})
		Promote(t, r, v, mr.Production)
	}
	Register(t, r, "1.0.2", map[string]any{"auc": 0.95})
	return dir
}

// ThreeStages has the stages of the versions that Three makes.
var ThreeStages = map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development}

// Edit changes the text of a file.
func Edit(t testing.TB, name string, change func(string) string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(data))
	if changed == string(data) {
		t.Fatalf("the edit changes nothing in %s", name)
	}
	os.Chmod(name, 0o644)
	if err := os.WriteFile(name, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// StagesOf maps every version of Fraud to its stage.
func StagesOf(t testing.TB, r *mr.ModelRegistry) map[string]mr.ModelStage {
	t.Helper()
	list, err := r.ListVersions(t.Context(), Fraud)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]mr.ModelStage{}
	for _, v := range list {
		m[v.Version] = v.Stage
	}
	return m
}

// WantStages compares the stages of the versions of Fraud.
func WantStages(t testing.TB, r *mr.ModelRegistry, want map[string]mr.ModelStage) {
	t.Helper()
	if diff := cmp.Diff(want, StagesOf(t, r)); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}
