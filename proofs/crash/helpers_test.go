//go:build unix

package crash

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

// fraud is the model of the stores that three makes.
var fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// three makes a store of three versions: 1.0.0 archived, 1.0.1 in production,
// 1.0.2 in development.
func three(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	r := openStore(t, dir, &mr.Options{Now: ticker()})
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, r, v, map[string]any{"auc": 0.9})
		promote(t, r, v, mr.Production)
	}
	register(t, r, "1.0.2", map[string]any{"auc": 0.95})
	return dir
}

var threeStages = map[string]mr.ModelStage{"1.0.0": mr.Archived, "1.0.1": mr.Production, "1.0.2": mr.Development}

// artifact is a small artifact of one file.
func artifact() mr.Artifact {
	return mr.FromFS(fstest.MapFS{"weights.bin": {Data: []byte("weights"), Mode: 0o644}})
}

// ticker is a clock that goes on by a second at each look.
func ticker() func() time.Time {
	var looks atomic.Int64
	return func() time.Time {
		return time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC).Add(time.Duration(looks.Add(1)) * time.Second)
	}
}

// modelPath is a path below the folder of fraud.
func modelPath(dir string, elem ...string) string {
	return filepath.Join(append([]string{dir, fraud.UseCase, fraud.Model}, elem...)...)
}

// register adds a version of fraud; an empty version is chosen by the registry.
func register(t testing.TB, r *mr.ModelRegistry, version string, metrics map[string]any) mr.ModelVersion {
	t.Helper()
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Version: version, Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func promote(t testing.TB, r *mr.ModelRegistry, version string, to mr.ModelStage) {
	t.Helper()
	if _, err := r.Promote(t.Context(), fraud.At(version), to, nil); err != nil {
		t.Fatal(err)
	}
}

// wantStages compares the stages of the versions of fraud.
func wantStages(t testing.TB, r *mr.ModelRegistry, want map[string]mr.ModelStage) {
	t.Helper()
	list, err := r.ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]mr.ModelStage{}
	for _, v := range list {
		got[v.Version] = v.Stage
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
}

// writeFile writes a file and the folders above it.
func writeFile(t testing.TB, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
}

// edit changes the text of a file.
func edit(t testing.TB, name string, change func(string) string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(data))
	if changed == string(data) {
		t.Fatalf("the edit changes nothing in %s", name)
	}
	writeFile(t, name, changed)
}
