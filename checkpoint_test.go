package modelregistry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// lagging returns a registry whose documents lag from the first byte on.
func lagging(t testing.TB, dir string, share int64, idle time.Duration) *mr.ModelRegistry {
	t.Helper()
	r := openStore(t, dir, nil)
	r.SetLag(-1, share, idle)
	return r
}

// bulky makes a document large beside the events that follow.
func bulky() map[string]any { return map[string]any{"notes": strings.Repeat("x", 64<<10)} }

// documentAt returns the last event that fraud's document includes.
func documentAt(t testing.TB, dir string) int64 {
	t.Helper()
	return documentMark(t, dir).Event
}

// documentMark returns what fraud's document says of where it stands.
func documentMark(t testing.TB, dir string) *document.Mark {
	t.Helper()
	data, err := storetest.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse(data)
	if err != nil || d.Mark == nil || !d.Intact {
		t.Fatalf("the document is not the registry's: %v", err)
	}
	return d.Mark
}

func wantDocumentAt(t testing.TB, dir string, event int64) {
	t.Helper()
	if at := documentAt(t, dir); at != event {
		t.Errorf("the document stands at event %d, want %d", at, event)
	}
}

// Invariant 12: every reader and writer sees the changes that the document does
// not include yet.
func TestLagHidesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := lagging(t, dir, 1, time.Hour), lagging(t, dir, 1, time.Hour)
	register(t, a, "0.1.0", bulky())
	wantDocumentAt(t, dir, 1) // there was none
	register(t, a, "1.0.0", nil)
	promote(t, b, "1.0.0", mr.Production)
	register(t, a, "1.0.1", nil)
	promote(t, b, "1.0.1", mr.Production)
	wantDocumentAt(t, dir, 1)
	want := map[string]mr.ModelStage{"0.1.0": mr.Development, "1.0.0": mr.Archived, "1.0.1": mr.Production}
	for _, r := range []*mr.ModelRegistry{a, b, openStore(t, dir, nil)} {
		wantStages(t, r, want)
	}
	if v, err := openStore(t, dir, nil).Rollback(t.Context(), fraud, nil); err != nil || v.Version != "1.0.0" {
		t.Errorf("rolled back to %q, %v", v.Version, err)
	}
	wantDocumentAt(t, dir, 6) // that registry takes the document for a small one
}

func TestLagEndsWhenIdle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := lagging(t, dir, 1, time.Second)
		register(t, r, "1.0.0", bulky())
		for range 3 {
			register(t, r, "", nil)
			time.Sleep(time.Second - 1)
			wantDocumentAt(t, dir, 1)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantDocumentAt(t, dir, 4)
		if got := len(history(t, dir)); got != 4 {
			t.Errorf("%d events, want 4", got)
		}
	})
}

func TestLagEndsOnClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, reader := lagging(t, dir, 1, time.Hour), lagging(t, dir, 1, time.Hour)
	register(t, r, "0.1.0", bulky())
	inProduction(t, r, "1.0.0", "1.0.1")
	wantDocumentAt(t, dir, 1)
	wantStages(t, reader, map[string]mr.ModelStage{"0.1.0": mr.Development, "1.0.0": mr.Archived, "1.0.1": mr.Production})
	check := unchanged(t, dir)
	if err := reader.Close(); err != nil { // reading programs do not write
		t.Fatal(err)
	}
	check()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	wantDocumentAt(t, dir, 5)
}

// The bound on the lag holds for all writers, and the document never goes back.
func TestLagIsBounded(t *testing.T) {
	t.Parallel()
	const share = 4
	dir := t.TempDir()
	writers := []*mr.ModelRegistry{lagging(t, dir, share, time.Hour), lagging(t, dir, share, time.Hour)}
	var at, checkpoints int64
	for i := range 60 {
		register(t, writers[i%2], "", map[string]any{"notes": strings.Repeat("x", 2000-30*i)})
		doc, err := os.ReadFile(modelPath(dir, "registry.json"))
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.ReadFile(modelPath(dir, "history.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := document.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		if d.Mark.Event < at {
			t.Fatalf("the document went back from event %d to %d", at, d.Mark.Event)
		}
		if d.Mark.Event > at {
			checkpoints++
		}
		at = d.Mark.Event
		lag := len(log) - int(d.Mark.Offset)
		whole := max(len(doc), 1) * 3 / 2 // sizes are estimated, and later entries count too
		if lag > whole/share {
			t.Errorf("after %d changes the document of %[3]d bytes lacks %[2]d bytes of events", i+1, lag, len(doc))
		}
	}
	if checkpoints > 40 {
		t.Errorf("%d checkpoints in 60 changes", checkpoints)
	}
}

// A registry that read the versions counts the same size of the document as the
// one that wrote them, whatever characters are in their texts.
func TestSmallDocumentDoesNotLag(t *testing.T) {
	t.Parallel()
	a, dir := newStore(t, nil)
	b := openStore(t, dir, nil)
	register(t, a, "1.0.0", nil)
	wantStages(t, b, map[string]mr.ModelStage{"1.0.0": mr.Development})
	register(t, a, "1.0.1", map[string]any{"columns": strings.Repeat("a,", 100<<10)})
	promote(t, b, "1.0.0", mr.Staging)
	wantDocumentAt(t, dir, 3)
}

// Each mode writes a document over 1 MiB when it says: after a change, when the
// model is idle, and at Close.
func TestCheckpointModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[mr.CheckpointMode][3]int64{
		mr.AtClose: {1, 3, 4},
		mr.Always:  {3, 3, 4},
		mr.WhenDue: {1, 1, 1},
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			r := openStore(t, dir, &mr.Options{Checkpoint: mode})
			register(t, r, "1.0.0", map[string]any{"notes": strings.Repeat("x", 2<<20)})
			register(t, r, "1.0.1", nil)
			register(t, r, "1.0.2", nil)
			got := [3]int64{documentAt(t, dir)}
			time.Sleep(time.Minute)
			synctest.Wait()
			got[1] = documentAt(t, dir)
			register(t, r, "1.0.3", nil)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			got[2] = documentAt(t, dir)
			if got != want {
				t.Errorf("mode %d: the document stands at events %v, want %v", mode, got, want)
			}
		})
	}
}

// A document that is written only when it is due is also written when it is
// small, missing, or asked for.
func TestCheckpointWhenDue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := openStore(t, dir, &mr.Options{Checkpoint: mr.WhenDue})
	register(t, r, "1.0.0", nil)
	register(t, r, "1.0.1", nil)
	wantDocumentAt(t, dir, 2)
	register(t, r, "1.0.2", map[string]any{"notes": strings.Repeat("x", 2<<20)})
	register(t, r, "1.0.3", nil)
	wantDocumentAt(t, dir, 3)
	for range 2 { // the second one finds nothing to do
		if err := r.Checkpoint(t.Context(), fraud); err != nil {
			t.Fatal(err)
		}
		wantDocumentAt(t, dir, 4)
	}
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		t.Fatal(err)
	}
	register(t, r, "1.0.4", nil)
	wantDocumentAt(t, dir, 5)
	register(t, r, "1.0.5", map[string]any{"notes": strings.Repeat("x", 2<<20)})
	register(t, r, "1.0.6", nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	wantDocumentAt(t, dir, 6)
}

// Checkpoint records what another program changed, and says why it can't write.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	r, dir, doc := lagged(t)
	edited := bytes.Replace(doc, []byte(`"config_hash": null`), []byte(`"config_hash": "abc"`), 1)
	if err := os.WriteFile(modelPath(dir, "registry.json"), edited, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := r.Checkpoint(t.Context(), fraud); err != nil {
		t.Fatal(err)
	}
	wantDocumentAt(t, dir, 6)
	if events := history(t, dir); events[len(events)-1]["op"] != "foreign" {
		t.Errorf("the last event is %v, want the external change", events[len(events)-1])
	}

	other := mr.ModelName{UseCase: "fraud", Model: "Other"}
	check := unchanged(t, dir)
	if err := r.Checkpoint(t.Context(), other); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("Checkpoint of a model that does not exist: %v, want %v", err, mr.ErrNotFound)
	}
	check()
	if err := os.WriteFile(modelPath(dir, "registry.json"), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	check = unchanged(t, dir)
	var damage *mr.CorruptError
	if err := r.Checkpoint(t.Context(), fraud); !errors.As(err, &damage) {
		t.Errorf("Checkpoint of a damaged document: %v, want a *CorruptError", err)
	}
	check()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Checkpoint(t.Context(), fraud); !errors.Is(err, mr.ErrClosed) {
		t.Errorf("Checkpoint of a closed registry: %v, want %v", err, mr.ErrClosed)
	}
}

// Checkpoint fails if the document can't be written. A change would succeed.
func TestCheckpointThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	r, dir, _ := lagged(t)
	writeFile(t, modelPath(dir, ".registry.json.tmp", "in the way"), "")
	if err := r.Checkpoint(t.Context(), fraud); err == nil {
		t.Error("Checkpoint wrote over a folder")
	}
	wantDocumentAt(t, dir, 1)
	if err := os.RemoveAll(modelPath(dir, ".registry.json.tmp")); err != nil {
		t.Fatal(err)
	}
	if err := r.Checkpoint(t.Context(), fraud); err != nil {
		t.Error(err)
	}
	wantDocumentAt(t, dir, 5)
}

// lagged makes a store whose document lags: it has the first of three versions.
func lagged(t *testing.T) (r *mr.ModelRegistry, dir string, doc []byte) {
	t.Helper()
	dir = t.TempDir()
	r = lagging(t, dir, 1, time.Hour)
	register(t, r, "0.1.0", bulky())
	inProduction(t, r, "1.0.0", "1.0.1")
	wantDocumentAt(t, dir, 1)
	doc, err := os.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	return r, dir, doc
}

// A document that another program wrote or removed is brought up to date at
// once.
func TestLagLeavesNoDocumentOfAnotherProgram(t *testing.T) {
	t.Parallel()
	r, dir, doc := lagged(t)
	// An editor notes something about the version that the lagging document
	// has.
	edited := bytes.Replace(doc, []byte(`"config_hash": null`), []byte(`"config_hash": "abc"`), 1)
	if err := os.WriteFile(modelPath(dir, "registry.json"), edited, 0o666); err != nil {
		t.Fatal(err)
	}
	register(t, r, "1.0.2", nil)
	wantDocumentAt(t, dir, 7)
	var ops []any
	for _, e := range history(t, dir) {
		ops = append(ops, e["op"])
	}
	if diff := cmp.Diff([]any{"register", "register", "promote", "register", "promote", "foreign", "register"}, ops); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	v, err := r.GetVersion(t.Context(), fraud.At("0.1.0"))
	if err != nil || v.ConfigHash != "abc" {
		t.Errorf("the edit is lost: %q, %v", v.ConfigHash, err)
	}
	os.Remove(modelPath(dir, "registry.json"))
	register(t, r, "1.0.3", nil)
	wantDocumentAt(t, dir, 8)
}

// Invariants 6 and 11: another program wrote on a lagging document, and the
// checkpoint that should replace it fails. Versions that this document never
// had do not count as removed by that program.
func TestLagBehindADocumentOfAnotherProgram(t *testing.T) {
	t.Parallel()
	r, dir, doc := lagged(t)
	d, err := document.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	d.Mark = nil
	edited := bytes.Replace(document.Format(d), []byte(`"development"`), []byte(`"staging"`), 1)
	writeFile(t, modelPath(dir, "registry.json"), string(edited))
	writeFile(t, modelPath(dir, ".registry.json.tmp", "in the way"), "")
	want := map[string]mr.ModelStage{"0.1.0": mr.Staging, "1.0.0": mr.Archived, "1.0.1": mr.Production}
	for _, v := range []string{"1.0.2", "1.0.3"} {
		register(t, r, v, nil)
		want[v] = mr.Development
		wantStages(t, r, want)
		wantStages(t, openStore(t, dir, nil), want)
	}
}

// A program that sorts keys, as jq -S and Go's maps do, writes a lagging
// document back. That undoes no change.
func TestSortedDocumentThatLagged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := lagging(t, dir, 1, time.Hour)
	if _, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Metrics: bulky()}); err != nil {
		t.Fatal(err)
	}
	register(t, r, "1.1.0", map[string]any{"b": 0.5, "a": []any{map[string]any{"y": 1, "x": 2}}})
	promote(t, r, "1.0.0", mr.Staging)
	promote(t, r, "1.0.0", mr.Production)
	data := writeBackSorted(t, modelPath(dir, "registry.json"))
	if !bytes.Contains(data, []byte(`"stage":"development"`)) {
		t.Fatalf("the document did not lag: %s", data)
	}
	for _, reader := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		wantStages(t, reader, map[string]mr.ModelStage{"1.0.0": mr.Production, "1.1.0": mr.Development})
	}
}

// writeBackSorted writes a document as another program does that knows nothing
// of our key, and sorts those it knows.
func writeBackSorted(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	var doc map[string]any
	if err == nil {
		err = json.Unmarshal(data, &doc)
	}
	delete(doc, "modelregistry")
	if err == nil {
		data, err = json.Marshal(doc)
	}
	if err == nil {
		err = os.WriteFile(name, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}
