package processes

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// The fixture of these tests: one model, and functions of storetest.
var (
	fraud     = storetest.Fraud
	openStore = storetest.Open
	modelPath = storetest.Path
)

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// twoFiles returns an artifact of two files with the same text.
func twoFiles(text string) mr.Artifact {
	return mr.FromFS(fstest.MapFS{"a.bin": {Data: []byte(text)}, "b/c.bin": {Data: []byte(text)}})
}

// registerMany registers n versions with two files each.
func registerMany(t *testing.T, dir string, n int) {
	t.Helper()
	r := openStore(t, dir, nil)
	for i := range n {
		if _, err := r.Register(t.Context(), fraud, twoFiles(fmt.Sprint(i)), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// promoteNewest promotes the newest version to production, n times.
func promoteNewest(t *testing.T, dir string, n int) {
	t.Helper()
	r := openStore(t, dir, nil)
	for range n {
		list, err := r.ListVersions(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		version := list[0].Version
		if _, err := r.Promote(t.Context(), fraud.At(version), mr.Production, nil); err != nil {
			t.Fatalf("promote %s: %v", version, err)
		}
	}
}

// stopFile returns the path of the file that ends the task "read until
// stopped".
func stopFile(dir string) string { return filepath.Join(dir, "stop") }

// read reads the model until stop reports true, and once more. Each time it
// checks that at most one version is in production, that no version is lost,
// and that the newest version and production have all their files. Deleted
// versions are not lost.
func read(t *testing.T, dir string, stop func() bool) {
	t.Helper()
	r := openStore(t, dir, nil)
	seen := map[string]bool{}
	for last := false; !last; {
		last = stop()
		list, err := r.ListVersions(t.Context(), fraud)
		if errors.Is(err, mr.ErrNotFound) && len(seen) == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		lost := maps.Clone(seen)
		var productions []string
		for _, v := range list {
			delete(lost, v.Version)
			seen[v.Version] = true
			if len(v.Problems) > 0 { // such as a second stored production
				t.Fatalf("%s has problems %q, want none", v.Version, v.Problems)
			}
			if v.Stage == mr.Production {
				productions = append(productions, v.Version)
			}
		}
		if len(productions) > 1 {
			t.Fatalf("%q are in production, want one version at most", productions)
		}
		for v := range lost {
			if _, err := r.GetVersion(t.Context(), fraud.At(v)); err != nil && !errors.Is(err, mr.ErrDeleted) {
				t.Fatalf("%s was listed before: %v", v, err)
			}
			delete(seen, v)
		}
		if len(list) > 0 {
			wantTwoFiles(t, r, list[0].Version)
		}
		if len(productions) == 1 {
			wantTwoFiles(t, r, productions[0])
		}
		if _, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil); err != nil && !errors.Is(err, mr.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

// isPurged reports whether a version is deleted and its files were given up.
func isPurged(t *testing.T, r *mr.ModelRegistry, version string) bool {
	t.Helper()
	var deleted *mr.DeletedError
	_, err := r.GetVersion(t.Context(), fraud.At(version))
	return errors.As(err, &deleted) && !deleted.Purged.IsZero()
}

// wantTwoFiles checks that a version has all the files of twoFiles, and those
// that the registry adds, unless it is deleted meanwhile.
func wantTwoFiles(t *testing.T, r *mr.ModelRegistry, version string) {
	t.Helper()
	m, err := r.GetModel(t.Context(), fraud.At(version), nil)
	if errors.Is(err, mr.ErrDeleted) {
		return
	}
	if err == nil {
		defer m.Close()
		err = hasTwoFiles(m.Path)
	}
	if err != nil && !isPurged(t, r, version) {
		t.Fatalf("%s: %v", version, err)
	}
}

func hasTwoFiles(dir string) error {
	a, errA := os.ReadFile(filepath.Join(dir, "a.bin"))
	c, errC := os.ReadFile(filepath.Join(dir, "b", "c.bin"))
	if err := errors.Join(errA, errC); err != nil || !bytes.Equal(a, c) || len(a) == 0 {
		return fmt.Errorf("the files hold %q and %q, %w, want equal texts", a, c, err)
	}
	for _, name := range []string{"manifest.json", "metrics.json", "metadata.json"} {
		if _, err := os.Stat(filepath.Join(dir, "..", name)); err != nil {
			return err
		}
	}
	return nil
}

// wantComplete checks that a store has n versions with all their files. It
// reads with a new registry, and then reads the files.
func wantComplete(t *testing.T, dir string, n int) {
	t.Helper()
	r := openStore(t, dir, nil)
	list, err := r.ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]bool{}
	for _, v := range list {
		versions[v.Version] = true
		wantTwoFiles(t, r, v.Version)
	}
	if len(list) != n || len(versions) != n {
		t.Errorf("%d versions are listed, %d of them distinct, want %d", len(list), len(versions), n)
	}
	if err := ledger.Complete(modelPath(dir), n); err != nil {
		t.Error(err)
	}
}
