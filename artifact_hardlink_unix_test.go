//go:build unix

package modelregistry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// A file that has a second name outside the artifact is copied. The other name
// keeps its mode, and writing through it does not change the version.
func TestHardLinkedFilesAreCopied(t *testing.T) {
	t.Parallel()
	for how, source := range map[string]func(t *testing.T, link func(dir string) error) mr.Artifact{
		"MoveDir": func(t *testing.T, link func(string) error) mr.Artifact {
			dir := filepath.Join(t.TempDir(), "work")
			if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := link(dir); err != nil {
				t.Fatal(err)
			}
			return mr.MoveDir(dir)
		},
		"FromFunc": func(_ *testing.T, link func(string) error) mr.Artifact {
			return mr.FromFunc(func(dir string) error {
				if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
					return err
				}
				return link(dir)
			})
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cache := filepath.Join(t.TempDir(), "weights")
			writeFile(t, cache, string(bytes.Repeat([]byte("epoch 1"), 1<<20)))
			if err := os.Chmod(cache, 0o644); err != nil {
				t.Fatal(err)
			}
			r, dir := newStore(t, nil)
			v, err := r.Register(t.Context(), fraud, source(t, func(dir string) error {
				return os.Link(cache, filepath.Join(dir, "sub", "w"))
			}), nil)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(cache); err != nil || info.Mode() != 0o644 {
				t.Errorf("the mode of the other name is %v, %v; want 0644", info.Mode(), err)
			}
			writeFile(t, cache, "epoch 2")
			if _, err := r.GetModel(t.Context(), v.Ref(), &mr.GetOptions{Verify: true}); err != nil {
				t.Errorf("after a write through the other name: %v", err)
			}
			copied := modelPath(dir, "versions", v.Version, "model", "sub")
			if entries, err := os.ReadDir(copied); err != nil || len(entries) != 1 {
				t.Errorf("the artifact's folder has %v, %v; want one file", entries, err)
			}
		})
	}
}
