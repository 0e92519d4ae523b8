package modelregistry_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// laterStore returns a copy of a store that a later release could have written.
// It has members that this release does not know: in events, in what is kept of
// versions and of the model, and in our key. It also has a stored gate that
// this release can't read. Its FrozenModel needs what this release does not
// know.
func laterStore(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/stores/later-release")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sealed returns a line of the history with its checksum.
func sealed(held string) string {
	return fmt.Sprintf(`%s,"crc32c":"%08x"}`, held, crc32.Checksum([]byte(held), crc32.MakeTable(crc32.Castagnoli)))
}

// appendEvent appends an event of another release to a history. members are its
// members from "op" on.
func appendEvent(t testing.TB, log, members string) {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	last := bytes.TrimRight(lines[len(lines)-1], " ")
	line := sealed(fmt.Sprintf(`{"event":%d,"id":"%032x","time":"2027-03-02T00:00:00.000000+00:00",%s,"checkpoint":0,"prev":"%x"`,
		len(lines)+1, len(lines), members, sha256.Sum256(last)))
	if err := os.WriteFile(log, append(data, line+"\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
}

// readDocument parses a model's document.
func readDocument(t testing.TB, name string) *document.Document {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLaterStoreReads(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	check := unchanged(t, dir)
	r := openStore(t, dir, nil)
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Development, "1.0.2": mr.Staging})
	v, err := r.GetVersion(t.Context(), fraud.At("1.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	const gates = `{"min_auc":0.8,"not_worse_than":{"stage":"production","metric":"auc"}}`
	if mustJSON(t, v.Gates) != gates || mustJSON(t, v.ModelGates) != `{"min_auc":0.5}` || v.RegisteredBy != "nightly" || len(v.Problems) != 1 {
		t.Errorf("1.0.1 has gates %s, model gates %s, registered by %s, problems %q; want %s, {\"min_auc\":0.5}, nightly, one problem",
			mustJSON(t, v.Gates), mustJSON(t, v.ModelGates), v.RegisteredBy, v.Problems, gates)
	}
	var ops []string
	for e, err := range r.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, string(e.Op))
	}
	if diff := cmp.Diff([]string{"register", "promote", "describe", "register", "register", "promote"}, ops); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	for _, name := range []string{fraud.Model, "FrozenModel"} {
		m, err := r.GetModel(t.Context(), mr.ModelName{UseCase: fraud.UseCase, Model: name}.In(mr.Production), &mr.GetOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	check()
	wantFindings(t, dir, "entry unreadable 1.0.1", "newer format")
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		t.Fatal(err)
	}
	wantStages(t, openStore(t, dir, nil), map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Development, "1.0.2": mr.Staging})
}

// A stored gate that this release can't read blocks promotions of its version,
// but of no other.
func TestUnreadableGateBlocksItsVersion(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"", "registry.json"} {
		dir := laterStore(t)
		if err := os.Remove(modelPath(dir, lost)); lost != "" && err != nil {
			t.Fatal(err)
		}
		r := openStore(t, dir, nil)
		_, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil)
		var refused *mr.GateError
		if !errors.As(err, &refused) || len(refused.Failed()) != 1 || refused.Failed()[0].Name != "not_worse_than" ||
			!strings.Contains(err.Error(), `unknown gate "not_worse_than"`) {
			t.Fatalf("got error %v, want a *GateError that names not_worse_than", err)
		}
		wantError(t, err, "promote", fraud, "1.0.1")
		promote(t, r, "1.0.2", mr.Production)
		if _, err := r.Rollback(t.Context(), fraud, nil); err != nil {
			t.Error(err)
		}
		if _, err := r.Archive(t.Context(), fraud.At("1.0.1"), nil); err != nil {
			t.Error(err)
		}
		if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, &mr.MoveOptions{SkipGates: true}); err != nil {
			t.Error(err)
		}
		wantFindings(t, dir, "entry unreadable 1.0.1", "newer format")
	}
}

// later are the members of our key that this release does not know.
var later = []string{`deleted={"0.9.0":{"by":"bob","at":"2027-02-01T00:00:00.000000+00:00"}}`, `signed_head=[1.50, NaN, "\u00e9"]`}

// wantLaterKept checks that the store still has the members that this release
// does not know. inKey is false if another program wrote the document: our key
// may have lost them then.
func wantLaterKept(t *testing.T, dir string, inKey bool) {
	t.Helper()
	d := readDocument(t, modelPath(dir, "registry.json"))
	if d.Mark == nil || !d.Intact || d.Mark.Format != 2 {
		t.Fatalf("the document has the key %+v, intact: %t; want format 2, intact", d.Mark, d.Intact)
	}
	for _, e := range d.Entries {
		if slices.Contains([]string{"1.0.0", "1.0.1", "1.0.2"}, e.Version) && !strings.Contains(string(e.Extra), `,"tags":{"team":"risk","seen":NaN}`) {
			t.Errorf("%s has %s, want its tags in it", e.Version, e.Extra)
		}
		if e.Version == "1.0.1" && !strings.Contains(string(e.Extra), `"not_worse_than":{"stage":"production","metric":"auc"}`) {
			t.Errorf("1.0.1 has %s, want the gate not_worse_than in it", e.Extra)
		}
	}
	for _, part := range []string{`"aliases":{"champion":"1.0.0"}`, `"notes":{"text":"watch drift","psi":NaN}`} {
		if !strings.Contains(string(d.Mark.Model), part) {
			t.Errorf("the model has %s, want %s in it", d.Mark.Model, part)
		}
	}
	var others []string
	if len(d.Mark.Deleted) > 0 {
		others = append(others, "deleted="+string(d.Mark.Deleted))
	}
	for _, m := range d.Mark.Others {
		others = append(others, m.Key+"="+string(m.Value))
	}
	if diff := cmp.Diff(later, others); inKey && diff != "" {
		t.Errorf("members of our key (-want +got):\n%s", diff)
	}
}

// Changes, edits, losses and repairs all keep the members of a later release,
// in the document and in the history.
func TestMembersOfALaterReleaseAreKept(t *testing.T) {
	t.Parallel()
	replaceIn := func(t *testing.T, name, old, new string) {
		t.Helper()
		edit(t, name, func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("%s does not contain %s", name, old)
			}
			return strings.Replace(s, old, new, 1)
		})
	}
	repair := func(t *testing.T, dir string) {
		t.Helper()
		report, err := openStore(t, dir, nil).Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
		if err != nil || len(report.Actions) == 0 {
			t.Fatalf("Repair returned %+v, %v, want actions", report, err)
		}
	}
	for name, c := range map[string]struct {
		do    func(t *testing.T, dir string)
		inKey bool // our key in the document keeps its members
	}{
		"moves": {func(t *testing.T, dir string) {
			r := openStore(t, dir, nil)
			promote(t, r, "1.0.2", mr.Production)
			for _, v := range []string{"1.0.0", "1.0.1"} {
				if _, err := r.Archive(t.Context(), fraud.At(v), nil); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.Rollback(t.Context(), fraud, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Demote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil); err != nil {
				t.Fatal(err)
			}
		}, true},
		"a registration": {func(t *testing.T, dir string) { register(t, openStore(t, dir, nil), "", nil) }, true},
		"an edit": {func(t *testing.T, dir string) {
			replaceIn(t, modelPath(dir, "registry.json"), `"config_hash": null`, `"config_hash": "edited"`)
		}, true},
		"an edit of our key": {func(t *testing.T, dir string) { // which has no effect
			replaceIn(t, modelPath(dir, "registry.json"), `"champion":"1.0.0"`, `"champion":"1.0.2"`)
			replaceIn(t, modelPath(dir, "registry.json"), `"tags":{"team":"risk"`, `"tags":{"team":"other"`)
		}, true},
		"another program's write": {func(t *testing.T, dir string) {
			s := pythonstore.At(t, dir)
			s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) { entries["1.0.2"]["config_hash"] = `"py"` })
		}, false},
		"a lost document": {func(t *testing.T, dir string) {
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
		}, false},
		"a lost history": {func(t *testing.T, dir string) {
			if err := os.Remove(modelPath(dir, "history.jsonl")); err != nil {
				t.Fatal(err)
			}
		}, true},
		"a repair of a line": {func(t *testing.T, dir string) {
			replaceIn(t, modelPath(dir, "history.jsonl"), `"champion"`, `"champ\u0069on"`) // reads as before
			repair(t, dir)
			replaceIn(t, modelPath(dir, "history.jsonl"), `"reason":"first"`, `"reason":"second"`)
			repair(t, dir)
			if n := strings.Count(files(t, modelPath(dir))["history.jsonl"], `"signature":{"by":"nightly","sig":"deadbeef"}`); n != 5 {
				t.Errorf("the history has %d signatures, want 5", n)
			}
		}, true},
		"a repair of a lost line": {func(t *testing.T, dir string) {
			replaceIn(t, modelPath(dir, "history.jsonl"), `"op":"describe"`, `"op":describe`)
			repair(t, dir)
		}, true},
		"a history that an older release started again": {func(t *testing.T, dir string) {
			// The older release wrote one event with all entries, and died
			// before it wrote the document.
			d := readDocument(t, modelPath(dir, "registry.json"))
			var after, extra []string
			for _, e := range d.Entries {
				after = append(after, fmt.Sprintf("%q:%s", e.Version, pyjson.Compact(nil, e.Raw)))
				extra = append(extra, fmt.Sprintf("%q:%s", e.Version, e.Extra))
			}
			line := sealed(fmt.Sprintf(`{"event":7,"id":"%032x","time":"2027-03-02T00:00:00.000000+00:00","op":"import","reset":true,"after":{%s},"extra":{%s},"checkpoint":0,"prev":""`,
				7, strings.Join(after, ","), strings.Join(extra, ",")))
			writeFile(t, modelPath(dir, "history.jsonl"), line+"\n")
		}, true},
		"a repair of the document": {func(t *testing.T, dir string) {
			d := readDocument(t, modelPath(dir, "registry.json"))
			d.Entries[2].Raw = bytes.Replace(d.Entries[2].Raw, []byte(`0.95`), []byte(`0.99`), 1)
			writeFile(t, modelPath(dir, "registry.json"), string(document.Format(d)))
			repair(t, dir)
		}, true},
		"a repair of an edit": {func(t *testing.T, dir string) {
			replaceIn(t, modelPath(dir, "registry.json"), `"config_hash": null`, `"config_hash": "edited"`)
			repair(t, dir)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := laterStore(t)
			r := openStore(t, dir, nil)
			stagesOf(t, r)
			c.do(t, dir)
			register(t, r, "", nil)
			wantLaterKept(t, dir, c.inKey)
			// The history alone has the same members.
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
			register(t, openStore(t, dir, nil), "", nil)
			wantLaterKept(t, dir, false)
			want := append(setAside(dir), "entry unreadable 1.0.1", "newer format")
			slices.Sort(want)
			wantFindings(t, dir, want...)
		})
	}
}

// setAside returns the notices of the files that repairs set aside.
func setAside(dir string) (list []string) {
	kept, _ := filepath.Glob(modelPath(dir, ".repairs", "*"))
	for _, name := range kept {
		list = append(list, "set aside "+filepath.Base(name))
	}
	return list
}

// An open registry takes over what a later release meanwhile changes in our
// key.
func TestLaterReleaseInTurns(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	r := openStore(t, dir, nil)
	stagesOf(t, r)
	appendEvent(t, modelPath(dir, "history.jsonl"), `"op":"describe","model":{"aliases":{"champion":"1.0.2"},"promotion_gates":{"min_auc":0.5}}`)
	log, err := os.ReadFile(modelPath(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
	d := readDocument(t, modelPath(dir, "registry.json"))
	d.Mark.Event, d.Mark.Offset, d.Mark.Hash = 7, int64(len(log)), fmt.Sprintf("%x", sha256.Sum256(lines[6]))
	d.Mark.Model = []byte(`{"aliases":{"champion":"1.0.2"},"promotion_gates":{"min_auc":0.5}}`)
	d.Mark.Others = []pyjson.Member{{Key: "retired", Raw: []byte(`"retired"`), Value: []byte(`{"0.8.0": {}}`)}}
	time.Sleep(30 * time.Millisecond) // so that the document's time is later, as from another process
	writeFile(t, modelPath(dir, "registry.json"), string(document.Format(d)))
	register(t, r, "", nil)
	now := readDocument(t, modelPath(dir, "registry.json"))
	if len(now.Mark.Others) != 1 || string(now.Mark.Others[0].Value) != `{"0.8.0": {}}` || string(now.Mark.Model) != string(d.Mark.Model) {
		t.Errorf("our key has %q and the model %s, want those of the later release: %q and %s",
			now.Mark.Others, now.Mark.Model, d.Mark.Others, d.Mark.Model)
	}
	wantFindings(t, dir, "entry unreadable 1.0.1", "newer format")
}
