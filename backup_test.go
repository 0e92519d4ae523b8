package modelregistry_test

import (
	"os"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A copy in the order of docs/recovery.md, taken while versions are registered
// and promoted, is a whole store that can be written to.
func TestBackupDuringWrites(t *testing.T) {
	t.Parallel()
	dir := three(t)
	stop := writeWithoutEnd(t, dir)
	var backups []string
	for range 20 {
		backups = append(backups, backup(t, dir))
	}
	stop()
	for _, dir := range backups {
		r := openStore(t, dir, nil)
		report, err := r.Verify(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if problems := report.Problems(); len(problems) > 0 {
			t.Errorf("the copy has %v, want no problems", problems)
		}
		promote(t, r, register(t, r, "", nil).Version, mr.Production)
	}
}

// backup copies the model fraud: first the document, then the history, then the
// versions.
func backup(t *testing.T, dir string) (to string) {
	t.Helper()
	to = t.TempDir()
	for _, name := range []string{"registry.json", "history.jsonl"} {
		data, err := os.ReadFile(modelPath(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, modelPath(to, name), string(data))
	}
	if err := os.CopyFS(modelPath(to, "versions"), os.DirFS(modelPath(dir, "versions"))); err != nil {
		t.Fatal(err)
	}
	return to
}
