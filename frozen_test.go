package modelregistry_test

import (
	"os"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// The store under testdata/stores/modelregistry-0.1 is frozen: every later
// release reads it, finds it in order, and carries it on.
func TestFrozenStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/stores/modelregistry-0.1")); err != nil {
		t.Fatal(err)
	}
	want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Archived}
	wantFindings(t, dir)
	r := openStore(t, dir, nil)
	wantStages(t, r, want)
	v, err := r.GetVersion(t.Context(), fraud.At("1.0.0"))
	if err != nil || v.RegisteredBy != "nightly" || v.ConfigHash != "edited by hand" || v.Gates.Len() != 1 || v.LineageRunID != "run-1" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		t.Fatal(err)
	}
	r = openStore(t, dir, nil)
	wantStages(t, r, want) // by replay
	promote(t, r, "1.0.1", mr.Production)
	if back, err := r.Rollback(t.Context(), fraud, nil); err != nil || back.Version != "1.0.0" {
		t.Errorf("rolled back to %q, %v", back.Version, err)
	}
	wantFindings(t, dir)
}
