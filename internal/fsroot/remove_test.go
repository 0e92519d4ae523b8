package fsroot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"folder", "folder/below"} {
		if err := root.Mkdir(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "folder/file", "folder/below/file"} {
		if err := root.WriteFile(name, []byte("text"), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := fsroot.Remove(root, "folder"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Remove of a folder with files: %v, want %v", err, fs.ErrExist)
	}
	if err := fsroot.Remove(root, "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove of a missing file: %v, want %v", err, fs.ErrNotExist)
	}
	if err := fsroot.RemoveAll(root, "missing"); err != nil {
		t.Errorf("RemoveAll of a missing file: %v", err)
	}
	if err := fsroot.Remove(root, "file"); err != nil {
		t.Errorf("Remove of a read-only file: %v", err)
	}
	if err := fsroot.RemoveAll(root, "folder"); err != nil {
		t.Errorf("RemoveAll of a folder: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A link is removed, and what it leads to stays.
func TestRemoveAllFollowsNoLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"kept", "removed"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "kept", "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "removed/link"} {
		if err := os.Symlink(filepath.Join(dir, "kept"), filepath.Join(dir, name)); err != nil {
			t.Skip(err) // making a link takes a privilege on Windows
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"link", "removed"} {
		if err := fsroot.RemoveAll(root, name); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want kept alone", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "kept", "file")); err != nil {
		t.Error(err)
	}
}
