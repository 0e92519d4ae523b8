package modelregistry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

func weights(text string) mr.Artifact { return mr.FromFS(fstest.MapFS{"w": {Data: []byte(text)}}) }

func TestRegisterOnce(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	ctx := t.Context()
	first, err := r.Register(ctx, fraud, weights("a"), &mr.RegisterOptions{Once: "run-1", Metrics: map[string]any{"auc": 0.9}})
	if err != nil || first.Existing {
		t.Fatalf("%v, existing %v, %v", first, first.Existing, err)
	}
	events := len(history(t, dir))
	for which, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
		for _, o := range []mr.RegisterOptions{{Once: "run-1"}, {Once: "run-1", Version: first.Version, Metrics: map[string]any{"auc": 0.1}}} {
			v, err := r.Register(ctx, fraud, weights("a"), &o)
			if err != nil || v.Version != first.Version || !v.Existing || v.Metrics.String() != first.Metrics.String() {
				t.Errorf("%s registry: %v, existing %v, %v; want %v", which, v, v.Existing, err, first)
			}
		}
		for _, tc := range []struct {
			artifact mr.Artifact
			opts     mr.RegisterOptions
			text     []string
		}{
			{weights("b"), mr.RegisterOptions{Once: "run-1"}, []string{"version 1.0.0", `the key "run-1"`, "other files", "digest is", ", not "}},
			{weights("a"), mr.RegisterOptions{Once: "run-1", Version: "2.0.0"}, []string{`the key "run-1"`, "as version 1.0.0"}},
		} {
			_, err := r.Register(ctx, fraud, tc.artifact, &tc.opts)
			if !errors.Is(err, mr.ErrExists) {
				t.Errorf("%s registry: got error %v, want ErrExists", which, err)
				continue
			}
			for _, text := range tc.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%s registry: got error %v, want one with %q", which, err, text)
				}
			}
		}
	}
	if got := len(history(t, dir)); got != events {
		t.Errorf("%d events, want %d", got, events)
	}
	if v, err := r.Register(ctx, fraud, weights("a"), &mr.RegisterOptions{Once: "run-2"}); err != nil || v.Version != "1.0.1" || v.Existing {
		t.Errorf("with another key: %v, existing %v, %v", v, v.Existing, err)
	}
	for _, key := range []string{strings.Repeat("k", mr.MaxOnce+1), "\xff"} {
		if _, err := r.Register(ctx, fraud, weights("a"), &mr.RegisterOptions{Once: key}); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("key %.10q: got error %v, want ErrInvalid", key, err)
		}
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

// A folder that would have been moved into the store stays where it is.
func TestRegisterOnceLeavesAMovedFolder(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	for i, existing := range []bool{false, true} {
		folder := filepath.Join(t.TempDir(), "out")
		writeFile(t, filepath.Join(folder, "w"), "a")
		v, err := r.Register(t.Context(), fraud, mr.MoveDir(folder), &mr.RegisterOptions{Once: "k"})
		if err != nil || v.Existing != existing {
			t.Fatalf("call %d: existing %v, %v", i, v.Existing, err)
		}
		if _, err := os.Stat(filepath.Join(folder, "w")); (err == nil) != existing {
			t.Errorf("call %d: the moved folder: %v", i, err)
		}
	}
}

// Registrations that race register one version, in one process and through
// several registries.
func TestRegisterOnceRaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	registries := []*mr.ModelRegistry{openStore(t, dir, nil), openStore(t, dir, nil)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 16 {
		wg.Go(func() {
			v, err := registries[i%2].Register(t.Context(), fraud, weights("a"), &mr.RegisterOptions{Once: "k"})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || v.Version != "1.0.0" {
				t.Errorf("%v, %v", v, err)
			}
			if !v.Existing {
				made++
			}
		})
	}
	wg.Wait()
	if made != 1 || len(history(t, dir)) != 1 {
		t.Errorf("%d calls registered, %d events; want 1", made, len(history(t, dir)))
	}
}

// Python uses the number of a deleted version again, and deletes that one too.
// The first version keeps its key.
func TestRegisterOnceAfterTwoDeletionsOfANumber(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	py := pythonstore.At(t, dir)
	register(t, r, "", nil)
	if _, err := r.Register(t.Context(), fraud, weights("a"), &mr.RegisterOptions{Once: "b"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		py.PythonDeletes("1.0.1")
		register(t, r, "", nil)
		py.PythonRegisters("1.0.1")
		register(t, r, "", nil)
	}
	for _, when := range []string{"deleted by Ubunye", "deleted by the registry, too"} {
		_, err := r.Register(t.Context(), fraud, weights("a"), &mr.RegisterOptions{Once: "b"})
		if !errors.Is(err, mr.ErrExists) || !strings.Contains(err.Error(), `version 1.0.1 was registered with the key "b", and is deleted`) {
			t.Errorf("%s: got error %v, want ErrExists that names the deleted version", when, err)
		}
		if err := r.Delete(t.Context(), fraud.At("1.0.1"), &mr.KeepOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// A version that another program deleted keeps its key.
func TestRegisterOnceAfterADeletion(t *testing.T) {
	t.Parallel()
	for _, recorded := range []bool{false, true} {
		r, dir := newStore(t, nil)
		for _, key := range []string{"a", "b"} {
			if _, err := r.Register(t.Context(), fraud, weights("a"), &mr.RegisterOptions{Once: key}); err != nil {
				t.Fatal(err)
			}
		}
		pythonstore.At(t, dir).PythonDeletes("1.0.1")
		if recorded {
			promote(t, r, "1.0.0", mr.Staging)
			r = openStore(t, dir, nil)
		}
		_, err := r.Register(t.Context(), fraud, weights("a"), &mr.RegisterOptions{Once: "b"})
		if !errors.Is(err, mr.ErrExists) || !strings.Contains(err.Error(), `version 1.0.1 was registered with the key "b", and is deleted`) {
			t.Errorf("recorded %v: got error %v, want ErrExists that names the deleted version", recorded, err)
		}
	}
}
