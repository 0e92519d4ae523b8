package fsroot_test

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

func TestSharedMode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ own, folder, want fs.FileMode }{
		{0o600, 0o755, 0o600},
		{0o600, 0o770, 0o660},
		{0o600, 0o775, 0o664},
		{0o700, 0o770, 0o770},
		{0o700, 0o771, 0o770}, // others can't read it
		{0o700, 0o777, 0o777},
		{0o700, 0o764, 0o764}, // the group can't search the folder
		{0o500, 0o775, 0o775},
		{0o700 | fs.ModeDir | fs.ModeSetgid, 0o770, 0o770 | fs.ModeSetgid},
	} {
		if got := fsroot.Shared(c.own, c.folder|fs.ModeDir); got != c.want {
			t.Errorf("Shared(%v, %v): %v, want %v", c.own, c.folder, got, c.want)
		}
	}
}

// A name that is taken is refused, and nothing is left under another name.
func TestMadeInASharedFolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("folders have no modes there")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("file", []byte("full"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folder", "folder/below"} {
		if err := fsroot.Mkdir(root, name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"folder", "file"} {
		if err := fsroot.Mkdir(root, name); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Mkdir of %s, which is there: %v, want %v", name, err, fs.ErrExist)
		}
	}
	for _, name := range []string{"empty", "empty", "file"} {
		if err := fsroot.MakeFile(root, name); err != nil {
			t.Errorf("MakeFile of %s: %v", name, err)
		}
	}
	if data, err := root.ReadFile("file"); err != nil || string(data) != "full" {
		t.Errorf("the file that was there: %q, %v", data, err)
	}
	want := map[string]fs.FileMode{"empty": 0o666, "file": 0o600, "folder": 0o777 | fs.ModeDir}
	entries, err := fsroot.ReadDir(root, ".")
	if err != nil || len(entries) != len(want) {
		t.Errorf("the folder has %v, %v; want %v", entries, err, want)
	}
	for name, mode := range want {
		if info, err := root.Lstat(name); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}
