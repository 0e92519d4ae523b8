package modelregistry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// The fixture of most tests: one model, and what is done with it.
var (
	fraud       = storetest.Fraud
	artifact    = storetest.Artifact
	ticker      = storetest.Ticker
	openStore   = storetest.Open
	modelPath   = storetest.Path
	register    = storetest.Register
	promote     = storetest.Promote
	writeFile   = storetest.WriteFile
	edit        = storetest.Edit
	threeStages = storetest.ThreeStages
	stagesOf    = storetest.StagesOf
	wantStages  = storetest.WantStages
)

// three makes the store of storetest.Three.
func three(t testing.TB) (dir string) {
	t.Helper()
	return storetest.Three(t, openStore)
}

// newStore opens a registry on an empty folder.
func newStore(t testing.TB, opts *mr.Options) (r *mr.ModelRegistry, dir string) {
	t.Helper()
	dir = t.TempDir()
	return openStore(t, dir, opts), dir
}

// inProduction registers versions and promotes each to production, in order.
func inProduction(t testing.TB, r *mr.ModelRegistry, versions ...string) {
	t.Helper()
	for _, v := range versions {
		register(t, r, v, nil)
		promote(t, r, v, mr.Production)
	}
}

// listing maps every path below dir to what it is: its digest and modification
// time if it is a file, its target if it is a link.
func listing(t testing.TB, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			m[rel] = fmt.Sprintf("%s %s %d bytes, %.4x", info.Mode(), info.ModTime(), len(data), sha256.Sum256(data))
		case info.Mode()&fs.ModeSymlink != 0:
			m[rel], err = os.Readlink(name)
			return err
		default:
			m[rel] = info.Mode().String()
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return m
}

// unchanged takes a listing of dir, and returns a function that fails the test
// if the folder is no longer so.
func unchanged(t testing.TB, dir string) func() {
	t.Helper()
	before := listing(t, dir)
	return func() {
		t.Helper()
		if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
			t.Errorf("the folder changed (-before +after):\n%s", diff)
		}
	}
}

// history reads the history of fraud, an event a line.
func history(t testing.TB, dir string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(modelPath(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var events []map[string]any
	for line := range bytes.Lines(data) {
		var e map[string]any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

// last returns the last event of fraud's history.
func last(t testing.TB, dir string) map[string]any {
	t.Helper()
	events := history(t, dir)
	return events[len(events)-1]
}

// wantError checks that err is an *Error about its subject, and matches all of
// is.
func wantError(t testing.TB, err error, op string, name mr.ModelName, version string, is ...error) {
	t.Helper()
	var e *mr.Error
	if !errors.As(err, &e) {
		t.Errorf("got error %v, want an *Error of %s", err, op)
		return
	}
	type subject struct{ Op, UseCase, Model, Version string }
	want := subject{op, name.UseCase, name.Model, version}
	if diff := cmp.Diff(want, subject{e.Op, e.Ref.Name.UseCase, e.Ref.Name.Model, e.Ref.Version}); diff != "" {
		t.Errorf("subject of %v (-want +got):\n%s", err, diff)
	}
	for _, target := range is {
		if !errors.Is(err, target) {
			t.Errorf("error %q does not match %q", err, target)
		}
	}
	if strings.Contains(err.Error(), "failed to") {
		t.Errorf("error %q says failed to", err)
	}
}

// holdLock has changes of a model wait until the lock is unlocked.
func holdLock(t testing.TB, dir string) *flock.Flock {
	t.Helper()
	lock := flock.New(modelPath(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock
}

// handWritten makes a store that no history goes with, as another program
// leaves it. The entries are JSON objects by version, in order.
func handWritten(t testing.TB, entries ...[2]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var list []string
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%q: %s", e[0], e[1]))
		writeFile(t, modelPath(dir, "versions", e[0], "model", "weights.bin"), "weights")
	}
	writeFile(t, modelPath(dir, "registry.json"), fmt.Sprintf(
		"{\"model_name\": %q, \"use_case\": %q, \"versions\": {%s}}", fraud.Model, fraud.UseCase, strings.Join(list, ", ")))
	return dir
}

// files reads every file of a folder.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(os.DirFS(dir), name)
		m[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testAll reports whether nothing may be skipped for want of rights or tools.
func testAll() bool { return os.Getenv("MODELREGISTRY_TEST_ALL") == "1" }

// testLong reports whether what is sampled elsewhere shall be tested to the
// full.
func testLong() bool { return os.Getenv("MODELREGISTRY_TEST_LONG") == "1" }

// unavailable skips a test that can't be run here, unless all shall be.
func unavailable(t testing.TB, why any) {
	t.Helper()
	if testAll() {
		t.Fatal(why)
	}
	t.Skip(why)
}
