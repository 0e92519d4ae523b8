package fsstore_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A countedLstats counts the Lstats below the folder of versions. They open
// each folder on the way, and a model may have 100,000 versions.
type countedLstats struct {
	fsstore.Disk
	n int
}

func (d *countedLstats) Lstat(name string) (fs.FileInfo, error) {
	if strings.Contains(name, "versions/") {
		d.n++
	}
	return d.Disk.Lstat(name)
}

// Only a folder with a regular file as its manifest is a registry's.
func TestInspectTellsVersionsApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	versions := filepath.Join(dir, "uc", "m", "versions")
	for _, folder := range []string{"1.0.0", "1.1.0", "1.2.0/manifest.json"} {
		if err := os.MkdirAll(filepath.Join(versions, folder), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"1.0.0/manifest.json", "1.1.0/model.bin", "1.3.0"} {
		if err := os.WriteFile(filepath.Join(versions, file), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]driver.ItemKind{
		"1.0.0": driver.ItemTree, "1.1.0": driver.ItemBare, "1.2.0": driver.ItemBare, "1.3.0": driver.ItemStrange,
	}
	link := filepath.Join(versions, "1.4.0")
	if os.Mkdir(link, 0o777) == nil && os.Symlink("../1.0.0/manifest.json", filepath.Join(link, "manifest.json")) == nil {
		want["1.4.0"] = driver.ItemBare
	} else if err := os.RemoveAll(link); err != nil {
		t.Fatal(err)
	}
	s, err := fsstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	disk := &countedLstats{}
	s.Wrap(func(d fsstore.Disk) fsstore.Disk { disk.Disk = d; return disk })
	got := map[string]driver.ItemKind{}
	for it, err := range s.Inspect(t.Context(), "uc", "m") {
		if err != nil {
			t.Fatal(err)
		}
		got[path.Base(it.Path)] = it.Kind
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the items (-want +got):\n%s", diff)
	}
	if disk.n > 0 && runtime.GOOS != "windows" { // there a stamp is taken by an Lstat
		t.Errorf("Inspect calls Lstat %d times below the versions, want 0", disk.n)
	}
}
