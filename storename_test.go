package modelregistry_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A URL or a leading tilde is refused as a store's folder: the folder would be
// made under that name, in an unexpected place. The error says what to use
// instead.
func TestStoreNamesThatAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	const inBucket, home = "objectstore.Open", "the home folder's path"
	for dir, says := range map[string]string{
		"s3://bucket/models":   inBucket,
		"gs://bucket":          inBucket,
		"azblob://c/p?x=y":     inBucket,
		"S3://bucket":          inBucket,
		"s3:/bucket/models":    inBucket, // as filepath.Clean leaves it
		"file:///srv/models":   inBucket,
		"file:/srv/models":     inBucket,
		"models/s3://bucket/x": inBucket,
		"~":                    home,
		"~/models":             home,
		"~ann/models":          home,
		"":                     "it is empty",
	} {
		for what, open := range map[string]func() error{
			"Open":           func() error { _, err := mr.Open(dir, nil); return err },
			"NewFolderStore": func() error { _, err := mr.NewFolderStore(dir, nil); return err },
		} {
			err := open()
			if !errors.Is(err, mr.ErrInvalid) || !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s(%q): got error %v, want ErrInvalid and %q", what, dir, err, says)
			}
		}
		_, err := mr.Open(dir, nil)
		wantError(t, err, "open", mr.ModelName{}, "", mr.ErrInvalid)
		if _, err := fsstore.Open(dir); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("fsstore.Open(%q): got error %v, want fs.ErrInvalid", dir, err)
		}
	}
	if got := listing(t, "."); len(got) > 0 {
		t.Errorf("made here: %v", got)
	}
}

// Unusual names that a folder may have are accepted.
func TestStoreNamesThatAreKept(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"./s3:/models", "./~/models", "models~", "a:b", "models/~", "s3", "1x:/y", "x:y/z"} {
		if strings.Contains(dir, ":") && runtime.GOOS == "windows" {
			continue // no folder has such a name there
		}
		r, err := mr.Open(dir, nil)
		if err != nil {
			t.Errorf("Open(%q): %v", dir, err)
			continue
		}
		register(t, r, "1.0.0", nil)
		if _, err := os.Stat(filepath.Join(dir, fraud.UseCase, fraud.Model, "registry.json")); err != nil {
			t.Errorf("Open(%q): %v", dir, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A configuration names a folder, or a bucket for objectstore.Open.
func TestStoreOfAConfig(t *testing.T) {
	t.Parallel()
	for store, ok := range map[string]bool{
		"": true, "models": true, "./~/models": true, "s3://bucket/models": true, "~/models": false, "~": false, "s3:/bucket": false,
	} {
		text := mustJSON(t, map[string]string{"store": store, "use_case": "u"})
		var c mr.Config
		err := json.Unmarshal([]byte(text), &c)
		if (err == nil) != ok || err != nil && !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%s: got error %v, want one: %v", text, err, !ok)
		}
		if ok && c.Store != store {
			t.Errorf("%s: the store is %q", text, c.Store)
		}
		if err := (mr.Config{Store: store, UseCase: "u"}).Validate(); (err == nil) != ok {
			t.Errorf("Validate, %s: %v", text, err)
		}
	}
}
