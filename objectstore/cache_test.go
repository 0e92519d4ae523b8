package objectstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// Stores that share a cache download a version once.
func TestDownloadedOnce(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	cache := t.TempDir()
	registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.In(mr.Production), files)
	var mu sync.Mutex
	got := map[string]int{}
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "get" && strings.Contains(key, "/model/") {
				mu.Lock()
				got[filepath.Base(key)]++
				mu.Unlock()
			}
			return nil
		}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := mr.New(newStore(t, b, &objectstore.Options{CacheDir: cache}), nil)
			for range 3 {
				m, err := r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
				if err != nil {
					t.Error(err)
					return
				}
				m.Close()
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[string]int{"weights.bin": 1, "conf.json": 1, "run.sh": 1}, got); diff != "" {
		t.Errorf("downloads (-want +got):\n%s", diff)
	}
}

// Invariant 1: a file that does not match its digest is never shown, and the
// next attempt downloads it again.
func TestDamagedDownload(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	cache := t.TempDir()
	registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.In(mr.Production), files)
	r := registrytest.NewOn(t, newStore(t, b, &objectstore.Options{CacheDir: cache}), nil)
	damages := map[string]func([]byte) []byte{
		"changed":    func(data []byte) []byte { return append([]byte("W"), data[1:]...) },
		"cut off":    func(data []byte) []byte { return data[:3] },
		"lengthened": func(data []byte) []byte { return append(data, 0) },
	}
	for name, damage := range damages {
		f.set(func() {
			f.read = func(key string, data []byte) []byte {
				if strings.HasSuffix(key, "weights.bin") {
					return damage(data)
				}
				return data
			}
		})
		if _, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil); !errors.Is(err, mr.ErrArtifact) {
			t.Errorf("%s: got error %v, want ErrArtifact", name, err)
		}
		if left, err := filepath.Glob(filepath.Join(cache, "trees", "*")); err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".lock") {
			t.Errorf("%s: the cache holds %q, %v", name, left, err)
		}
	}
	f.set(func() { f.read = nil })
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
}

// The remains of a process that died during a download are not used as a
// version.
func TestPartialDownloadIsNotUsed(t *testing.T) {
	t.Parallel()
	_, b := newFaulty(t)
	cache := t.TempDir()
	r := registrytest.NewOn(t, newStore(t, b, &objectstore.Options{CacheDir: cache}), nil)
	registrytest.Put(t, r, fraud.In(mr.Production), files)
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Dir(m.Path)
	if err := errors.Join(m.Close(), os.Rename(tree, tree+".partial"), os.Remove(filepath.Join(tree+".partial", "model", "run.sh")),
		os.WriteFile(filepath.Join(tree+".partial", "model", "stray"), nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	if m, err = r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true}); err != nil {
		t.Fatal(err)
	}
	m.Close()
}

// The cache stays within its bound. The least recently used tree is removed
// first, and a tree in use never.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	_, b := newFaulty(t)
	cache := t.TempDir()
	const size = 100 << 10
	s := newStore(t, b, &objectstore.Options{CacheDir: cache, CacheBytes: 3*size + 50<<10})
	r := registrytest.NewOn(t, s, nil)
	path := map[string]string{}
	open := func(version string) *mr.Model {
		t.Helper()
		m, err := r.GetModel(t.Context(), fraud.At(version), nil)
		if err != nil {
			t.Fatal(err)
		}
		path[version] = m.Path
		return m
	}
	versions := []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4"}
	for i, v := range versions {
		data := make([]byte, size)
		data[0] = byte(i)
		registrytest.Put(t, r, fraud.At(v), fstest.MapFS{"weights.bin": {Data: data}})
	}
	inUse := open("1.0.0")
	open("1.0.1").Close()
	open("1.0.2").Close()
	open("1.0.1").Close() // used again
	open("1.0.3").Close() // 1.0.2 must be evicted for it
	want := func(there ...string) {
		t.Helper()
		var got []string
		for _, v := range versions {
			if _, err := os.Stat(filepath.Join(path[v], "weights.bin")); path[v] != "" && err == nil {
				got = append(got, v)
			}
		}
		if diff := cmp.Diff(there, got); diff != "" {
			t.Errorf("versions in the cache (-want +got):\n%s", diff)
		}
	}
	want("1.0.0", "1.0.1", "1.0.3")
	second := open("1.0.4")
	want("1.0.0", "1.0.3", "1.0.4")
	inUse.Close()
	open("1.0.1").Close()
	want("1.0.1", "1.0.3", "1.0.4")
	second.Close()
}
