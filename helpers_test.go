package modelregistry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gofrs/flock"

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
	wantError   = storetest.WantError
	listing     = storetest.Listing
	unchanged   = storetest.Unchanged
	files       = storetest.Files
	unavailable = storetest.Unavailable
	mustJSON    = storetest.JSON
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
