package modelregistry_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// remove removes files of the model's folder.
func remove(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Remove(modelPath(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// If a model's history and document are lost, no version is registered over the
// files of its versions until a repair has listed these again.
func TestLostIndexIsNotRegisteredOver(t *testing.T) {
	t.Parallel()
	dir := three(t)
	held := openStore(t, dir, nil)
	wantStages(t, held, threeStages)
	remove(t, dir, "registry.json", "history.jsonl")
	check := unchanged(t, dir)
	for what, r := range map[string]*mr.ModelRegistry{"a registry that knew it": held, "another": openStore(t, dir, nil)} {
		for _, opts := range []*mr.RegisterOptions{nil, {Version: "1.0.0"}, {Version: "5.0.0"}} {
			saved := false
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
				saved = true
				return os.WriteFile(filepath.Join(dir, "w"), nil, 0o666)
			}), opts)
			if !errors.Is(err, mr.ErrIndexLost) || !strings.Contains(err.Error(), "versions holds 1.0.0, 1.0.1, 1.0.2: repair the model first") {
				t.Errorf("%s: register %+v: got error %v, want ErrIndexLost that names the versions and says what to do", what, opts, err)
			}
			if saved {
				t.Errorf("%s saved the artifact before", what)
			}
		}
		if _, err := r.Promote(t.Context(), fraud.At("1.0.2"), mr.Production, nil); !errors.Is(err, mr.ErrNotFound) {
			t.Errorf("%s: promote: got error %v, want ErrNotFound", what, err)
		}
		check()
	}
	r := openStore(t, dir, nil)
	report, err := r.Verify(t.Context(), nil)
	if err != nil || len(report.Problems()) != 1 || report.Problems()[0].Kind != mr.HistoryLost {
		t.Errorf("Verify: %v, %v, want one problem, %q", report.Problems(), err, mr.HistoryLost)
	}
	if _, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	if v := register(t, held, "", nil); v.Version != "1.0.3" {
		t.Errorf("after a repair, %s is registered, want 1.0.3", v.Version)
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development, "1.0.2": mr.Development, "1.0.3": mr.Development})
}

// If either the history or the document is left, the model goes on.
func TestModelGoesOnWithoutHistoryOrDocument(t *testing.T) {
	t.Parallel()
	for _, gone := range []string{"registry.json", "history.jsonl"} {
		dir := three(t)
		remove(t, dir, gone)
		r := openStore(t, dir, nil)
		wantStages(t, r, threeStages)
		if v := register(t, r, "", nil); v.Version != "1.0.3" {
			t.Errorf("without %s, %s is registered, want 1.0.3", gone, v.Version)
		}
		if _, err := os.Lstat(modelPath(dir, ".orphans")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without %s, something is put aside: %v", gone, err)
		}
	}
}

// Trees without a manifest were made by another program. They are not a sign of
// a lost index.
func TestBareTreesAreNotALostIndex(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	writeFile(t, modelPath(dir, "versions", "1.0.1", "model", "w"), "")
	if v := register(t, r, "", nil); v.Version != "1.0.0" {
		t.Errorf("registered %s", v.Version)
	}
}

// A first registration that crashed before its commit leaves an empty history.
// That is not a model, and blocks nothing.
func TestEmptyHistoryIsNotAModel(t *testing.T) {
	t.Parallel()
	for name, history := range map[string]string{"empty": "", "torn": `{"event":1,"id":"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			remove(t, dir, "registry.json")
			os.RemoveAll(modelPath(dir, "versions", "1.0.1"))
			os.RemoveAll(modelPath(dir, "versions", "1.0.2"))
			if err := os.WriteFile(modelPath(dir, "history.jsonl"), []byte(history), 0o666); err != nil {
				t.Fatal(err)
			}
			r := openStore(t, dir, nil)
			for name, err := range r.Models(t.Context()) {
				t.Errorf("Models yields %v, %v", name, err)
			}
			if _, err := r.ListVersions(t.Context(), fraud); !errors.Is(err, mr.ErrNotFound) {
				t.Errorf("list: got error %v, want ErrNotFound", err)
			}
			if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 {
				t.Errorf("Verify: %v, %v", report.Problems(), err)
			}
			if v := register(t, r, "", nil); v.Version != "1.0.0" {
				t.Errorf("registered %s, want 1.0.0", v.Version)
			}
			orphans, err := os.ReadDir(modelPath(dir, ".orphans"))
			if err != nil || len(orphans) != 1 {
				t.Errorf("put aside: %v, %v", orphans, err)
			}
		})
	}
}

// After a repair of a lost index no version's number is given out again, not
// even that of a version whose files are damaged. The repair puts the files of
// that version aside and lists the others.
func TestRepairOfLostIndexKeepsNumbers(t *testing.T) {
	t.Parallel()
	dir := three(t)
	remove(t, dir, "registry.json", "history.jsonl")
	edit(t, modelPath(dir, "versions", "1.0.2", "model", "weights.bin"), strings.ToUpper)
	r := openStore(t, dir, nil)
	report, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"rebuild history", "rebuild document", "recover version", "recover version", "put aside"}
	if diff := cmp.Diff(want, kinds(report)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	if again, err := r.Repair(t.Context(), fraud, nil); err != nil || len(again.Actions) > 0 {
		t.Errorf("a second repair would do %v, %v", again.Actions, err)
	}
	if v := register(t, r, "", nil); v.Version != "1.0.3" {
		t.Errorf("registered %s, want 1.0.3", v.Version)
	}
	if _, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Version: "1.0.2"}); !errors.Is(err, mr.ErrExists) {
		t.Errorf("register 1.0.2: got error %v, want ErrExists", err)
	}
}
