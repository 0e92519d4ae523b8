package modelregistry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

func TestPlantedSymlinks(t *testing.T) {
	t.Parallel()
	uc, model := fraud.UseCase, filepath.Join(fraud.UseCase, fraud.Model)
	for _, planted := range []string{uc, model, filepath.Join(model, "versions"), filepath.Join(model, "versions", "1.0.0"),
		filepath.Join(model, "history.jsonl"), filepath.Join(model, "registry.json"), filepath.Join(model, ".staging"), filepath.Join(model, ".lock"),
		filepath.Join(model, ".registry.json.tmp")} {
		t.Run(filepath.ToSlash(planted), func(t *testing.T) {
			t.Parallel()
			// The link leads to a complete store, so that every file behind it
			// exists.
			elsewhere := t.TempDir()
			register(t, openStore(t, elsewhere, nil), "1.0.0", nil)
			target := filepath.Join(elsewhere, planted)
			if strings.HasSuffix(planted, ".staging") {
				writeFile(t, filepath.Join(target, strings.Repeat("0", 32), "tree", "x"), "x")
			}
			if strings.HasSuffix(planted, ".tmp") {
				writeFile(t, target, "x")
			}

			dir := t.TempDir()
			makeLink(t, filepath.Join(dir, planted), target)
			check := unchanged(t, elsewhere)
			r := openStore(t, dir, nil)
			ctx := t.Context()
			_, _ = r.Register(ctx, fraud, artifact(), nil)
			_, _ = r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: "1.0.0"})
			check()
			if m, err := r.GetModel(ctx, fraud.At("1.0.0"), nil); err == nil {
				real, err := filepath.EvalSymlinks(m.Path)
				if err != nil {
					t.Error(err)
				}
				base, _ := filepath.EvalSymlinks(dir)
				if rel, err := filepath.Rel(base, real); err != nil || !filepath.IsLocal(rel) {
					t.Errorf("GetModel returns %s, want a path in the store", real)
				}
			}
			_, _ = r.Promote(ctx, fraud.At("1.0.0"), mr.Production, nil)
			_, _ = r.Archive(ctx, fraud.At("1.0.0"), nil)
			if planted == uc || planted == model {
				if _, err := r.ListVersions(ctx, fraud); err == nil {
					t.Error("ListVersions lists the model behind the link, want an error")
				}
				for name, err := range r.Models(ctx) {
					if err == nil {
						t.Errorf("Models yields %v, want an error that names the link", name)
					}
				}
			}
			check()
		})
	}
}

func TestFolderOfAnotherProgramIsKept(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	writeFile(t, modelPath(dir, "versions", "1.0.1", "model", "theirs"), "theirs")
	check := unchanged(t, dir)
	_, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Version: "1.0.1"})
	wantError(t, err, "register", fraud, "1.0.1", fs.ErrExist)
	check()
	if v := register(t, r, "1.0.2", nil); v.Version != "1.0.2" {
		t.Errorf("registered %s, want 1.0.2", v.Version)
	}
}

func TestEntryNamedByAPathOutOfTheStore(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "model", "secret"), "secret")
	dir := handWritten(t, [2]string{"1.0.0", `{"version": "1.0.0"}`})
	rel, err := filepath.Rel(modelPath(dir, "versions"), outside)
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := json.Marshal(map[string]any{"versions": map[string]any{rel: map[string]any{"version": rel, "stage": "production"}, "1.0.0": map[string]any{}}})
	writeFile(t, modelPath(dir, "registry.json"), string(doc))
	r := openStore(t, dir, nil)
	if m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil); !errors.Is(err, mr.ErrArtifact) {
		t.Errorf("GetModel returns %+v, %v, want ErrArtifact", m, err)
	}
	want := map[string]mr.ModelStage{rel: mr.Production, "1.0.0": mr.Development}
	if diff := cmp.Diff(want, stagesOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

// The next version's number skips folders that have no entry: another program
// may be saving them. Repair puts such a folder aside when it is old.
func TestNumberOfAFailedSaveIsSkipped(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r, dir := newStore(t, &mr.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	register(t, r, "1.0.0", nil)
	left := []string{"1.0.1", "1.0.2"}
	for _, version := range left {
		writeFile(t, modelPath(dir, "versions", version, "model", "theirs"), "theirs")
	}
	if v := register(t, r, "", nil); v.Version != "1.0.3" {
		t.Errorf("registered %s, want 1.0.3", v.Version)
	}
	for _, version := range left {
		if !strings.Contains(log.String(), "version number skipped") || !strings.Contains(log.String(), version) {
			t.Errorf("the log has no warning that %s was skipped, want one:\n%s", version, &log)
		}
	}
	repair := func(want ...string) {
		t.Helper()
		report, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range report.Actions {
			got = append(got, string(a.Kind)+" "+a.Version)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Repair (-want +got):\n%s", diff)
		}
	}
	repair()
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"1.0.1/model/theirs", "1.0.1/model", "1.0.1"} {
		if err := os.Chtimes(modelPath(dir, "versions", name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	repair("put aside 1.0.1")
	if aside, _ := filepath.Glob(modelPath(dir, ".orphans", "1.0.1-*", "model", "theirs")); len(aside) != 1 {
		t.Errorf("the folders put aside hold %q, want the file of 1.0.1", aside)
	}
	if v := register(t, r, "1.0.1", nil); v.Version != "1.0.1" {
		t.Errorf("registered %s, want 1.0.1", v.Version)
	}
}
