package objectstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
)

// A registration fails if a program still writes to a folder that it saved,
// while the folder is uploaded.
func TestFolderChangedDuringUpload(t *testing.T) {
	t.Parallel()
	overwrite := func(dir string) error {
		name := filepath.Join(dir, "weights.bin")
		return errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, []byte("changed"), 0o644))
	}
	for what, test := range map[string]struct {
		change func(dir string) error
		sent   bool // the change comes after weights.bin was sent, and otherwise before the first file
		says   string
	}{
		"a file before it is sent": {overwrite, false, "weights.bin changed while it was uploaded"},
		"a file that was sent":     {overwrite, true, "weights.bin changed while it was registered"},
		"a file added":             {func(dir string) error { return os.WriteFile(filepath.Join(dir, "late"), nil, 0o644) }, false, "late changed while it was registered: it was added"},
		"a file removed": {func(dir string) error { return os.Remove(filepath.Join(dir, "weights.bin")) }, false,
			"weights.bin changed while it was registered: it is missing now"},
		"the manifest": {func(dir string) error {
			name := filepath.Join(dir, "..", "manifest.json")
			data, err := os.ReadFile(name)
			return errors.Join(err, os.Chmod(name, 0o644), os.WriteFile(name, append(data, '\n'), 0o644))
		}, true, "manifest.json changed while it was registered"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f, b := newFaulty(t)
			open := func() *mr.ModelRegistry {
				r := mr.New(newStore(t, b, nil), nil)
				t.Cleanup(func() { r.Close() })
				return r
			}
			if _, err := open().Register(t.Context(), fraud, mr.FromFS(files), nil); err != nil {
				t.Fatal(err)
			}
			before := f.dump(t)
			r := open() // its upload reads the newest change before it sends a file
			saved, err := "", error(nil)
			change := sync.OnceFunc(func() {
				if err := test.change(saved); err != nil {
					t.Error(err)
				}
			})
			f.set(func() {
				f.before = func(op, key string) error {
					if saved != "" && (!test.sent || op == "put" && strings.HasSuffix(key, "/model/weights.bin")) {
						change()
					}
					return nil
				}
			})
			_, err = r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
				defer func() { saved = dir }()
				return os.WriteFile(filepath.Join(dir, "weights.bin"), []byte("weights"), 0o644)
			}), nil)
			if !errors.Is(err, mr.ErrArtifact) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got error %v, want ErrArtifact and %q", err, test.says)
			}
			f.set(func() { f.before = nil })
			for key := range f.dump(t) {
				if _, was := before[key]; !was {
					t.Errorf("the failed registration left %s", key)
				}
			}
		})
	}
}

// The cache folder may not be a URL or start with a tilde, which only a shell
// expands.
func TestInvalidCacheFolderIsRefused(t *testing.T) {
	t.Parallel()
	_, b := newFaulty(t)
	for _, dir := range []string{"~/cache", "s3://bucket/cache"} {
		if _, err := objectstore.New(b, &objectstore.Options{CacheDir: dir}); !errors.Is(err, os.ErrInvalid) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got error %v, want fs.ErrInvalid", dir, err)
		}
	}
}
