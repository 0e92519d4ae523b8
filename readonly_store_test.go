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

func TestReadOnlyStoreIsReadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("root, and every user of Windows, writes to read-only folders all the same")
	}
	dir := t.TempDir()
	w := openStore(t, dir, nil)
	register(t, w, "1.0.0", nil)
	register(t, w, "1.0.1", nil)
	if _, err := w.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil); err != nil {
		t.Fatal(err)
	}
	chmod := func(folders, files fs.FileMode) {
		var names []string
		filepath.WalkDir(dir, func(name string, d fs.DirEntry, _ error) error { names = append(names, name); return nil })
		for _, name := range names {
			mode := files
			if info, err := os.Stat(name); err == nil && info.IsDir() {
				mode = folders
			}
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod(0o555, 0o444)
	t.Cleanup(func() { chmod(0o755, 0o644) })
	check := unchanged(t, dir)
	r := openStore(t, dir, nil)
	if _, err := r.GetModel(t.Context(), fraud.At("1.0.1"), &mr.GetOptions{Verify: true}); err != nil {
		t.Error(err)
	}
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil || m.Version.Version != "1.0.0" {
		t.Fatalf("production is %v, %v", m, err)
	}
	for range r.Models(t.Context()) {
	}
	if _, err := r.Register(t.Context(), fraud, artifact(), nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("registering: %v", err)
	}
	if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Production, nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("promoting: %v", err)
	}
	check()
}
