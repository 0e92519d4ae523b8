package objectstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// filesBelow lists what is below a folder, by its path there.
func filesBelow(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err == nil && name != dir {
			list = append(list, filepath.ToSlash(name[len(dir)+1:]))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return list
}

// The cache is made when a file is fetched. If the system has no folder for it,
// a temporary one is used until Close, with a warning.
func TestCacheWithoutHome(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the user's folder for caches does not depend on these variables")
	}
	for _, tt := range []struct{ name, home, cache string }{
		{"no HOME", "", ""}, {"HOME is a file", "", filepath.Join(t.TempDir(), "file", "cache")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			t.Setenv("HOME", tt.home)
			t.Setenv("XDG_CACHE_HOME", tt.cache)
			if tt.cache != "" {
				if err := os.WriteFile(filepath.Dir(tt.cache), nil, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			_, b := newFaulty(t)
			registrytest.Put(t, mr.New(newStore(t, b, &objectstore.Options{CacheDir: filepath.Join(temp, "cache-of-another")}), nil), fraud.In(mr.Production), files)
			if err := os.RemoveAll(filepath.Join(temp, "cache-of-another")); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s, err := objectstore.New(b, &objectstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			r := mr.New(s, nil)
			if list, err := r.ListVersions(t.Context(), fraud); err != nil || len(list) != 1 {
				t.Errorf("listing: got %v, error %v", list, err)
			}
			if made := filesBelow(t, temp); len(made) > 0 || log.Len() > 0 {
				t.Errorf("listing made %q and logged %s", made, &log)
			}
			m, err := r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(m.Path, temp) || strings.Count(log.String(), "temporary folder") != 1 {
				t.Errorf("the model is in %s, logged %s, want it below %s, and one warning", m.Path, &log, temp)
			}
			if err := errors.Join(m.Close(), r.Close()); err != nil {
				t.Error(err)
			}
			if left := filesBelow(t, temp); len(left) > 0 {
				t.Errorf("after Close, %q are left", left)
			}
		})
	}
}

// A cache that can't be used, and an outage, are not damage of the artifact.
func TestCacheFailureIsNotDamage(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.In(mr.Production), files)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	inFile := mr.New(newStore(t, b, &objectstore.Options{CacheDir: filepath.Join(file, "cache")}), nil)
	_, err := inFile.GetModel(t.Context(), fraud.In(mr.Production), nil)
	var cache *objectstore.CacheError
	if !errors.As(err, &cache) || errors.Is(err, mr.ErrArtifact) {
		t.Errorf("a cache that can't be made: got error %v, want a *CacheError that does not match ErrArtifact", err)
	}
	if _, err = inFile.Register(t.Context(), fraud, mr.FromFS(files), nil); !errors.As(err, &cache) || errors.Is(err, mr.ErrArtifact) {
		t.Errorf("registering: got error %v, want a *CacheError that does not match ErrArtifact", err)
	}

	// Verify needs no cache.
	report, err := inFile.Verify(t.Context(), nil)
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("Verify without a cache: got %v, error %v", report, err)
	}

	// A folder of the cache can be lost at any moment.
	dir := filepath.Join(t.TempDir(), "cache")
	lost := mr.New(newStore(t, b, &objectstore.Options{CacheDir: dir}), nil)
	var lose sync.Once
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "get" && strings.Contains(key, "/model/") {
				lose.Do(func() {
					if err := os.Rename(dir, dir+" moved"); err != nil {
						t.Error(err)
					}
				})
			}
			return nil
		}
	})
	if _, err = lost.GetModel(t.Context(), fraud.In(mr.Production), nil); !errors.As(err, &cache) || errors.Is(err, mr.ErrArtifact) {
		t.Errorf("a cache that is removed meanwhile: got error %v, want a *CacheError that does not match ErrArtifact", err)
	}

	for what, refuse := range map[string]error{
		"an outage": misread(503, "SlowDown"), "a missing right": misread(403, "AccessDenied"),
	} {
		f.set(func() {
			f.before = func(op, key string) error {
				if op == "get" && strings.HasSuffix(key, "weights.bin") {
					return refuse
				}
				return nil
			}
		})
		r := mr.New(newStore(t, b, nil), nil)
		if _, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil); err == nil || errors.Is(err, mr.ErrArtifact) || errors.Is(err, mr.ErrNotFound) {
			t.Errorf("%s: got error %v, want one that matches neither ErrArtifact nor ErrNotFound", what, err)
		}
		report, err := r.Verify(t.Context(), nil)
		if err != nil || len(report.Findings) != 1 || report.Findings[0].Kind != mr.StoreUnreadable {
			t.Errorf("%s: Verify found %v, error %v, want one finding %q", what, report, err, mr.StoreUnreadable)
		}
	}
}

// Verify streams what the cache does not hold, and keeps nothing of it. What
// the cache holds is checked there.
func TestVerifyStreams(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.In(mr.Production), files)
	dir := filepath.Join(t.TempDir(), "cache")
	r := mr.New(newStore(t, b, &objectstore.Options{CacheDir: dir}), nil)
	verify := func(what string, want ...string) {
		t.Helper()
		report, err := r.Verify(t.Context(), nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var got []string
		for _, finding := range report.Findings {
			got = append(got, finding.String())
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got findings %q, want %q", what, got, want)
		}
		for i := range got {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: got finding %q, want %q in it", what, got[i], want[i])
			}
		}
	}
	damage := func(key string, change func([]byte) []byte) {
		f.set(func() {
			f.read = func(k string, data []byte) []byte {
				if strings.HasSuffix(k, key) {
					return change(data)
				}
				return data
			}
		})
	}
	verify("all is well")
	damage("weights.bin", func(data []byte) []byte { return append([]byte("W"), data[1:]...) })
	verify("a changed file", "artifact damaged: fraud_detection/FraudRiskModel@1.0.0: bad artifact: model/weights.bin was changed")
	damage("weights.bin", func(data []byte) []byte { return data[:3] })
	verify("a file that was cut off", "artifact damaged: ")
	damage("manifest.json", func(data []byte) []byte { return append(data, ' ') })
	verify("a changed manifest", "manifest damaged: ")
	f.set(func() { f.read = nil })
	if made := filesBelow(t, dir); len(made) > 0 {
		t.Errorf("Verify made %q in the cache", made)
	}

	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	var got []string
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "get" && strings.Contains(key, "/model/") {
				got = append(got, key)
			}
			return nil
		}
	})
	verify("the cache holds the version")
	if len(got) > 0 {
		t.Errorf("Verify downloaded %q, which the cache holds", got)
	}
	f.set(func() { f.before = nil })

	err = errors.Join(f.b.Delete(t.Context(), fraud.String()+"/versions/1.0.0/model/weights.bin"), os.RemoveAll(dir))
	if err != nil {
		t.Fatal(err)
	}
	r = mr.New(newStore(t, b, &objectstore.Options{CacheDir: dir}), nil)
	verify("a missing file", "artifact damaged: fraud_detection/FraudRiskModel@1.0.0: bad artifact: model/weights.bin is missing")
}

// Users who may write to the folder of a cache may use all that is in it.
func TestCacheSharedByUsers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the system has no such rights")
	}
	_, b := newFaulty(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r := mr.New(newStore(t, b, &objectstore.Options{CacheDir: filepath.Join(dir, "cache")}), nil)
	registrytest.Put(t, r, fraud.In(mr.Production), files)
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	narrow := map[string]string{}
	for _, name := range filesBelow(t, dir) {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o444)
		switch {
		case info.IsDir():
			want = 0o777
		case strings.HasSuffix(name, ".lock"):
			want = 0o666
		}
		if info.Mode().Perm()&want != want {
			narrow[name] = info.Mode().String()
		}
	}
	if diff := cmp.Diff(map[string]string{}, narrow); diff != "" {
		t.Errorf("others can't use (-want +got):\n%s", diff)
	}
}
