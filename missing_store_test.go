package modelregistry_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

func TestStoreIsAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "store")
	r, below := openStore(t, file, nil), openStore(t, filepath.Join(file, "below"), nil) // before the file exists
	writeFile(t, file, "a file")
	for _, dir := range []string{file, ""} {
		_, err := mr.Open(dir, nil)
		wantError(t, err, "open", mr.ModelName{}, "", fs.ErrInvalid)
	}
	if _, err := mr.Open(filepath.Join(file, "below"), nil); err == nil {
		t.Error("Open of a store below a file got no error, want one")
	}
	for _, r := range []*mr.ModelRegistry{r, below} {
		_, err := r.Register(t.Context(), fraud, artifact(), nil)
		wantError(t, err, "register", fraud, "")
		_, err = r.ListVersions(t.Context(), fraud)
		wantError(t, err, "list", fraud, "")
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file in the place of the store is taken for an empty store: %v", err)
		}
	}
	if data, _ := os.ReadFile(file); string(data) != "a file" {
		t.Errorf("the file holds %q, want \"a file\"", data)
	}
}

func TestUnknownSubjects(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	other := mr.ModelName{UseCase: fraud.UseCase, Model: "Other"}
	nowhere := mr.ModelName{UseCase: "nowhere", Model: fraud.Model}
	check := unchanged(t, dir)
	ctx := t.Context()

	for _, name := range []mr.ModelName{fraud, other, nowhere} {
		version, stage := "9.9.9", mr.Production
		missing := []error{mr.ErrNotFound, fs.ErrNotExist}
		_, err := r.GetModel(ctx, name.At(version), nil)
		wantError(t, err, "get", name, version, missing...)
		_, err = r.GetModel(ctx, name.In(stage), nil)
		wantError(t, err, "get", name, "", missing...)
		_, err = r.GetVersion(ctx, mr.Ref{Name: name, Version: version, Stage: stage})
		wantError(t, err, "get", name, version, missing...)
		_, err = r.Promote(ctx, name.At(version), stage, nil)
		wantError(t, err, "promote", name, version, missing...)
		_, err = r.Demote(ctx, name.At(version), mr.Archived, nil)
		wantError(t, err, "demote", name, version, missing...)
		_, err = r.Archive(ctx, name.At(version), nil)
		wantError(t, err, "archive", name, version, missing...)
		_, err = r.RollbackTo(ctx, name.At(version), nil)
		wantError(t, err, "rollback", name, version, missing...)
		_, err = r.Rollback(ctx, name, nil)
		wantError(t, err, "rollback", name, "", missing...)
		_, err = r.Compare(ctx, name.At(version), name.At("1.0.0"))
		wantError(t, err, "compare", name, version, missing...)
		if name != fraud {
			_, err = r.ListVersions(ctx, name)
			wantError(t, err, "list", name, "", missing...)
		}
	}

	for _, stage := range []mr.ModelStage{"", "prod", "Production", " production", "deleted"} {
		_, err := r.Promote(ctx, fraud.At("1.0.0"), stage, nil)
		wantError(t, err, "promote", fraud, "1.0.0", mr.ErrInvalid)
		_, err = r.Demote(ctx, fraud.At("1.0.0"), stage, nil)
		wantError(t, err, "demote", fraud, "1.0.0", mr.ErrInvalid)
		_, err = r.GetModel(ctx, fraud.In(stage), nil)
		wantError(t, err, "get", fraud, "", mr.ErrInvalid)
		if _, err := mr.ParseStage(string(stage)); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("ParseStage(%q): got error %v, want ErrInvalid", stage, err)
		}
	}
	for op, call := range map[string]func() error{
		"promote": func() error { _, err := r.Promote(ctx, fraud.At(""), mr.Staging, nil); return err },
		"demote":  func() error { _, err := r.Demote(ctx, fraud.At(""), mr.Archived, nil); return err },
		"archive": func() error { _, err := r.Archive(ctx, fraud.At(""), nil); return err },
		"compare": func() error { _, err := r.Compare(ctx, fraud.At(""), fraud.At("")); return err },
	} {
		wantError(t, call(), op, fraud, "", mr.ErrInvalid)
	}
	check()
}

func TestEmptyStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	r := openStore(t, dir, nil)
	for name, err := range r.Models(t.Context()) {
		t.Errorf("Models yields %v, %v, want nothing", name, err)
	}
	list, err := r.VersionsOfRun(t.Context(), "run")
	if err != nil || len(list) > 0 {
		t.Errorf("VersionsOfRun returns %v, %v, want nothing", list, err)
	}
	_, err = r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	wantError(t, err, "get", fraud, "", mr.ErrNotFound)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after reads, Stat of the store's folder got error %v, want that it does not exist", err)
	}
}

// If the first registration of a new store fails, no folder is left.
func TestFailedFirstRegistrationLeavesNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, filepath.Join(dir, "a", "store"), nil)
	save := func(string) error { return errors.New("no") }
	if _, err := r.Register(t.Context(), fraud, mr.FromFunc(save), nil); err == nil {
		t.Fatal("Register got no error, want that of the save")
	}
	if runtime.GOOS == "windows" { // which keeps a folder that is open
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		r = openStore(t, filepath.Join(dir, "a", "store"), nil)
	}
	if got := listing(t, dir); len(got) > 0 {
		t.Errorf("the folder holds %v, want nothing", got)
	}
	register(t, r, "1.0.0", nil)
}
