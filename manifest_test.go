package modelregistry_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// A listedFile is one of a manifest's files.
type listedFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// A manifest must list each file of the tree once, and nothing else. Any other
// manifest is refused, also if the history has its digest.
func TestManifestThatDoesNotFit(t *testing.T) {
	t.Parallel()
	swap := func(t *testing.T, dir string, with func(name string) error) {
		t.Helper()
		name := filepath.Join(dir, "metrics.json")
		if err := errors.Join(os.Rename(name, filepath.Join(t.TempDir(), "old")), with(name)); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(files []listedFile) []listedFile { return files }
	for name, c := range map[string]struct {
		list func(files []listedFile) []listedFile
		tree func(t *testing.T, dir string)
		fits bool
		says string
	}{
		"as it was":        {list: keep, fits: true},
		"a file twice":     {list: func(files []listedFile) []listedFile { return append(files, files[0]) }, says: "lists metadata.json twice"},
		"a file, by turns": {list: func(files []listedFile) []listedFile { return append([]listedFile{{files[0].Path, "0"}}, files...) }, says: "twice"},
		"itself": {list: func(files []listedFile) []listedFile {
			return append(files, listedFile{"manifest.json", files[0].SHA256})
		}},
		"a folder":    {list: func(files []listedFile) []listedFile { return append(files, listedFile{"model", ""}) }},
		"no digest":   {list: func(files []listedFile) []listedFile { files[0].SHA256 = ""; return files }},
		"a file less": {list: func(files []listedFile) []listedFile { return files[1:] }},
		"by another name": {list: func(files []listedFile) []listedFile {
			files[0].Path = "model/../" + files[0].Path
			return files
		}},
		"a folder in a file's place": {list: keep, tree: func(t *testing.T, dir string) {
			swap(t, dir, func(name string) error { return os.Mkdir(name, 0o777) })
		}},
		"a symlink in a file's place": {list: keep, tree: func(t *testing.T, dir string) {
			storetest.NeedSymlinks(t)
			swap(t, dir, func(name string) error { return os.Symlink("metadata.json", name) })
		}},
		"a file in a new folder": {list: keep, tree: func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "model", "new", "file"), "new")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			v := register(t, r, "", nil)
			dir = modelPath(dir, "versions", v.Version)
			var m struct {
				Files []listedFile `json:"files"`
			}
			file := filepath.Join(dir, "manifest.json")
			raw, err := os.ReadFile(file)
			if err := errors.Join(err, json.Unmarshal(raw, &m), os.Remove(file)); err != nil {
				t.Fatal(err)
			}
			m.Files = c.list(m.Files)
			raw = []byte(mustJSON(t, m))
			writeFile(t, file, string(raw))
			sum := sha256.Sum256(raw)
			v.ManifestSHA256 = hex.EncodeToString(sum[:])
			if c.tree != nil {
				c.tree(t, dir)
			}
			err = r.VerifyTree(t.Context(), v)
			if (err == nil) != c.fits || err != nil && !(errors.Is(err, mr.ErrArtifact) && strings.Contains(err.Error(), c.says)) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// A manifest that was read before is read again, and must be the same.
func TestManifestThatIsKnown(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	v, other := register(t, r, "1.0.0", nil), register(t, r, "1.0.1", map[string]any{"auc": 0.9})
	check := func(ok bool) {
		t.Helper()
		if err := r.VerifyTree(t.Context(), v); (err == nil) != ok || err != nil && !errors.Is(err, mr.ErrArtifact) {
			t.Errorf("got error %v", err)
		}
		if err := r.VerifyTree(t.Context(), other); err != nil {
			t.Errorf("the other version: %v", err)
		}
	}
	check(true)
	check(true)
	file := modelPath(dir, "versions", v.Version, "manifest.json")
	raw, err := os.ReadFile(file)
	if err := errors.Join(err, os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	check(false)
	writeFile(t, file, string(raw)+"\n")
	check(false)
	writeFile(t, file, string(raw))
	check(true)
	writeFile(t, modelPath(dir, "versions", v.Version, "model", "added"), "")
	check(false)
}
