package modelregistry_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A file manager that a person opens on a store leaves files in it. They block
// neither a promotion nor a rollback, and Verify names them.
func TestFilesThatSystemsAddBlockNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".DS_Store", "._weights.bin", "Thumbs.db", "desktop.ini", ".nfs000000000003", ".fuse_hidden0000001"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			r, dir := newStore(t, nil)
			first, second := register(t, r, "1.0.0", nil), register(t, r, "1.0.1", nil)
			for _, v := range []mr.ModelVersion{first, second} {
				if _, err := r.Promote(ctx, v.Ref(), mr.Production, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, folder := range []string{"versions/1.0.0/model", "versions/1.0.0", "versions", "."} {
				writeFile(t, modelPath(dir, folder, name), "by a file manager")
			}
			writeFile(t, filepath.Join(dir, first.Name.UseCase, name), "by a file manager")
			writeFile(t, filepath.Join(dir, name), "by a file manager")

			m, err := r.GetModel(ctx, first.Ref(), &mr.GetOptions{Verify: true})
			if err != nil {
				t.Fatalf("GetModel: %v", err)
			}
			m.Close()
			v, err := r.Rollback(ctx, first.Name, nil)
			if err != nil || v.Version != "1.0.0" {
				t.Fatalf("Rollback returns %s, %v, want 1.0.0", v.Version, err)
			}
			report, err := r.Verify(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if problems := report.Problems(); len(problems) > 0 {
				t.Errorf("Verify reports %v, want no problem", problems)
			}
			for _, path := range []string{"versions/1.0.0/model/" + name, "versions/1.0.0/" + name} {
				path = filepath.ToSlash(filepath.Join(first.Name.UseCase, first.Name.Model, path))
				if !slices.ContainsFunc(report.Findings, func(f mr.Finding) bool { return f.Kind == mr.ForeignFile && f.Path == path }) {
					t.Errorf("Verify reports %v, want a foreign file %s", report.Findings, path)
				}
			}
			writeFile(t, modelPath(dir, "versions/1.0.0/model", "other"), "by a person")
			if _, err := r.GetModel(ctx, first.Ref(), &mr.GetOptions{Verify: true}); !errors.Is(err, mr.ErrArtifact) {
				t.Errorf("with another file added GetModel returns %v, want ErrArtifact", err)
			}
		})
	}
}
