package processes

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// wantReadable reads all versions, and compares their files with their digests.
func wantReadable(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	for v := range storetest.StagesOf(t, r) {
		m, err := r.GetModel(t.Context(), fraud.At(v), &mr.GetOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
}

// wantRefused tries every kind of change, with 1.0.0 in development or staging.
// Each must fail with the cause and change nothing.
func wantRefused(t *testing.T, dir string, r *mr.ModelRegistry, cause error) {
	t.Helper()
	check := sameFiles(t, dir)
	_, err := r.Register(t.Context(), fraud, storetest.Artifact(), nil)
	storetest.WantError(t, err, "register", fraud, "", cause)
	_, err = r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
	storetest.WantError(t, err, "promote", fraud, "1.0.0", cause)
	_, err = r.Archive(t.Context(), fraud.At("1.0.0"), nil)
	storetest.WantError(t, err, "archive", fraud, "1.0.0", cause)
	check()
}

// sameFiles returns a function that fails the test if a file was changed, added
// or removed. A file that was extended and then cut to its old size counts as
// unchanged.
func sameFiles(t *testing.T, dir string) func() {
	t.Helper()
	before := storetest.Files(t, dir)
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, storetest.Files(t, dir)); diff != "" {
			t.Errorf("the files changed (-before +after):\n%s", diff)
		}
	}
}

// wantClean checks that failed changes left nothing, and that the history and
// every version in it are complete. It returns the stages.
func wantClean(t *testing.T, dir string, r *mr.ModelRegistry) map[string]mr.ModelStage {
	t.Helper()
	for _, pattern := range []string{".staging/*", ".registry.json.tmp", ".orphans"} {
		if left, _ := filepath.Glob(modelPath(dir, pattern)); left != nil {
			t.Errorf("failed changes left %q, want nothing", left)
		}
	}
	data, err := os.ReadFile(modelPath(dir, "history.jsonl"))
	if err != nil || !bytes.HasSuffix(data, []byte("}\n")) {
		t.Errorf("the history ends in %q, %v, want a complete line", data[max(0, len(data)-20):], err)
	}
	if _, err := ledger.History(modelPath(dir)); err != nil {
		t.Error(err)
	}
	fresh := openStore(t, dir, nil)
	wantReadable(t, fresh)
	stages := storetest.StagesOf(t, fresh)
	if diff := cmp.Diff(stages, storetest.StagesOf(t, r)); diff != "" {
		t.Errorf("stages (-read by a new registry +by the open one):\n%s", diff)
	}
	folders, err := os.ReadDir(modelPath(dir, "versions"))
	if err != nil || len(folders) != len(stages) {
		t.Errorf("%d folders for %d versions, %v, want one each", len(folders), len(stages), err)
	}
	return stages
}
