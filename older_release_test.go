package modelregistry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"regexp"
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

// Two frozen stores were written by a release before format 2. For format-1, it
// took turns with Ubunye 0.8.0, so the model's gates are only in the document.
// For format-1-after-2, it then took turns with a release of format 2 and wrote
// last, so the model's gates are in the history, but not in our key.
func TestOlderReleasesStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stages    map[string]mr.ModelStage
		pending   []string // findings until an event records them
		own, also string   // gates of a version of its own
	}{
		"format-1": {map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Production, "1.0.2": mr.Staging, "1.0.3": mr.Development},
			[]string{"external change registry.json"}, "1.0.1", `{"min_auc":0.9}`},
		"format-1-after-2": {map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Archived, "1.0.2": mr.Archived, "1.0.3": mr.Development, "1.0.4": mr.Production},
			nil, "1.0.4", `{"max_psi":0.2}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/stores/"+name)); err != nil {
				t.Fatal(err)
			}
			noDigests := []string{"no digests 1.0.0", "no digests 1.0.2"}
			wantFindings(t, dir, append(slices.Clone(c.pending), noDigests...)...)
			check := func(r *mr.ModelRegistry) {
				t.Helper()
				wantStages(t, r, c.stages)
				v, err := r.GetVersion(t.Context(), fraud.At(c.own))
				if err != nil || mustJSON(t, v.Gates) != c.also || mustJSON(t, v.ModelGates) != `{"min_auc":0.8}` || v.RegisteredBy != "nightly" {
					t.Errorf("%s has gates %s, model gates %s, registered by %s, %v; want %s, {\"min_auc\":0.8}, nightly",
						c.own, mustJSON(t, v.Gates), mustJSON(t, v.ModelGates), v.RegisteredBy, err, c.also)
				}
				_, err = r.Promote(t.Context(), fraud.At("1.0.3"), mr.Staging, nil) // it has an auc of 0.75
				var refused *mr.GateError
				if !errors.As(err, &refused) || len(refused.Failed()) != 1 || refused.Failed()[0].Name != "min_auc" {
					t.Errorf("got error %v, want a *GateError of the model's min_auc", err)
				}
			}
			r := openStore(t, dir, nil)
			check(r)
			wantFindings(t, dir, noDigests...)
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
			check(openStore(t, dir, nil)) // from the history
			const tail = "\n  },\n  \"promotion_gates\": {\n    \"min_auc\": 0.8,\n    \"require_drift_check\": false\n  },\n  \"modelregistry\": {\n    \"format\": 2,\n"
			if doc := files(t, modelPath(dir))["registry.json"]; !strings.Contains(doc, tail) {
				t.Errorf("the document is\n%s\nwant the model's gates where Ubunye writes them:\n%s", doc, tail)
			}
			wantFindings(t, dir, noDigests...)
		})
	}
}

// An olderRelease writes as a release before format 2 does. It keeps entries,
// what is kept beside them, and the top-level keys. It drops everything else
// that it does not know.
type olderRelease struct {
	t   *testing.T
	dir string
}

type oldEntry struct{ raw, extra string }

// read returns the history, the state that the history makes, and the top-level
// keys.
func (o *olderRelease) read() (log []byte, order []string, entries map[string]oldEntry, d *document.Document) {
	o.t.Helper()
	log, err := os.ReadFile(modelPath(o.dir, "history.jsonl"))
	if err != nil {
		o.t.Fatal(err)
	}
	entries = map[string]oldEntry{}
	for line := range bytes.Lines(log) {
		members, err := pyjson.Object(bytes.TrimRight(line, " \n"))
		if err != nil {
			o.t.Fatal(err)
		}
		parts := map[string][]pyjson.Member{}
		for _, m := range members {
			if m.Key == "after" || m.Key == "extra" {
				parts[m.Key], _ = pyjson.Object(m.Value)
			}
		}
		for i, m := range parts["after"] {
			if _, known := entries[m.Key]; !known {
				order = append(order, m.Key)
			}
			entries[m.Key] = oldEntry{string(m.Value), string(parts["extra"][i].Value)}
		}
	}
	d = document.New(fraud.UseCase, fraud.Model)
	if _, err := os.Stat(modelPath(o.dir, "registry.json")); err == nil {
		d = readDocument(o.t, modelPath(o.dir, "registry.json"))
	}
	return log, order, entries, d
}

// turn records what another program added, and moves a version to a stage.
func (o *olderRelease) turn(version, stage string) {
	o.t.Helper()
	log, order, entries, d := o.read()
	number := bytes.Count(log, []byte("\n"))
	write := func(members, version string, e oldEntry) {
		number++
		prev := ""
		if trimmed := bytes.TrimSuffix(log, []byte("\n")); len(trimmed) > 0 {
			last := trimmed[bytes.LastIndexByte(trimmed, '\n')+1:]
			prev = fmt.Sprintf("%x", sha256.Sum256(bytes.TrimRight(last, " ")))
		}
		if _, known := entries[version]; !known {
			order = append(order, version)
		}
		members0, _ := pyjson.Object([]byte(e.extra))
		e.extra = fmt.Sprintf(`{"entered":%d`, number)
		for _, m := range members0 {
			if m.Key != "entered" {
				e.extra += fmt.Sprintf(",%s:%s", m.Raw, m.Value)
			}
		}
		e.extra += "}"
		entries[version] = e
		line := sealed(fmt.Sprintf(`{"event":%d,"id":"%032x","time":"2026-11-28T00:00:00.000000+00:00",%s,"after":{%q:%s},"extra":{%q:%s},"checkpoint":0,"prev":%q`,
			number, number, members, version, e.raw, version, e.extra, prev))
		log = append(log, line+"\n"...)
	}
	if d.Mark == nil {
		for _, e := range d.Entries {
			if _, known := entries[e.Version]; !known {
				write(`"op":"foreign"`, e.Version, oldEntry{string(pyjson.Compact(nil, e.Raw)), "{}"})
			}
		}
	}
	e := entries[version]
	e.raw = string(pyjson.Compact(nil, document.Set([]byte(e.raw), []pyjson.Member{{Key: "stage", Value: pyjson.Quote(stage)}})))
	write(fmt.Sprintf(`"op":"demote","version":%q,"to":%q`, version, stage), version, e)
	if err := os.WriteFile(modelPath(o.dir, "history.jsonl"), log, 0o666); err != nil {
		o.t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
	now := &document.Document{Head: d.Head, Mark: &document.Mark{Event: int64(number), Offset: int64(len(log)), Hash: fmt.Sprintf("%x", sha256.Sum256(lines[number-1]))}}
	for _, v := range order {
		now.Entries = append(now.Entries, document.Entry{Version: v, Raw: document.LayEntry([]byte(entries[v].raw)), Extra: []byte(entries[v].extra)})
	}
	held, _, _ := strings.Cut(string(document.Format(now)), `"crc32c"`)
	held = regexp.MustCompile(`    "(format|start)": \d+,\n`).ReplaceAllString(held, "")
	writeFile(o.t, modelPath(o.dir, "registry.json"), sealedDocument(held))
}

// forget removes parts of what is kept beside entries from the document.
func (o *olderRelease) forget(parts ...string) {
	o.t.Helper()
	edit(o.t, modelPath(o.dir, "registry.json"), func(doc string) string {
		held, _, _ := strings.Cut(doc, `"crc32c"`)
		for _, part := range parts {
			held = strings.ReplaceAll(held, part, "")
		}
		return sealedDocument(held)
	})
}

// sealedDocument returns a document with its checksum at the end.
func sealedDocument(held string) string {
	return fmt.Sprintf("%s\"crc32c\": \"%08x\"\n  }\n}", held, crc32.Checksum([]byte(held), crc32.MakeTable(crc32.Castagnoli)))
}

// An olderRelease writes an intact document of a release before format 2, as
// the frozen store has it.
func TestOlderReleaseWritesFormat1(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	(&olderRelease{t: t, dir: dir}).turn("1.0.2", "archived")
	old, err := os.ReadFile("testdata/stores/format-1/fraud_detection/FraudRiskModel/registry.json")
	if err != nil {
		t.Fatal(err)
	}
	d, frozen := readDocument(t, modelPath(dir, "registry.json")), must(document.Parse(old))
	for _, d := range []*document.Document{d, frozen} {
		if !d.Intact || d.Mark.Format != 0 || d.Mark.Model != nil || d.Mark.Others != nil {
			t.Errorf("the document has the key %+v, intact: %t; want no format, model or other members, intact", d.Mark, d.Intact)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The data of a version beside its entry is read from the history. It is not
// read from the document of an older release, even if that is intact.
func TestOlderReleasesDocumentIsNotReadForDataBesideEntries(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	older := &olderRelease{t: t, dir: dir}
	older.turn("1.0.2", "archived")
	older.forget(`,"tags":{"team":"risk","seen":NaN}`, `"min_auc":0.8,`)
	wantFindings(t, dir, "entry unreadable 1.0.1", "newer format")
	v, err := openStore(t, dir, nil).GetVersion(t.Context(), fraud.At("1.0.0"))
	if err != nil || v.Gates.Len() != 1 {
		t.Errorf("the gates of 1.0.0 are %s, %v, want one gate", mustJSON(t, v.Gates), err)
	}
	register(t, openStore(t, dir, nil), "", nil)
	wantLaterKept(t, dir, false)
}

// The next change rewrites a large document of an older release, so that
// readers soon need not read the history.
func TestOlderReleasesDocumentIsRewritten(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	(&olderRelease{t: t, dir: dir}).turn("1.0.2", "archived")
	r := lagging(t, dir, 1, time.Hour)
	promote(t, r, "1.0.2", mr.Staging)
	wantDocumentAt(t, dir, 8)
	if mark := documentMark(t, dir); mark.Format != 2 {
		t.Errorf("the document has format %d, want 2", mark.Format)
	}
}

// This release, an older one and two of Ubunye write in random turns, and
// registry.json is lost now and then. The model's gates are those that Ubunye
// set last, and the members of a later release are kept.
func TestTurnsWithAnOlderRelease(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			turnsWithAnOlderRelease(t, seed)
		})
	}
}

func turnsWithAnOlderRelease(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	dir := laterStore(t)
	py, older := pythonstore.At(t, dir), &olderRelease{t: t, dir: dir}
	runsOn := openStore(t, dir, nil)
	gates, stages := `{"min_auc":0.5}`, stagesOf(t, runsOn)
	recorded := gates
	next := 0
	var done []string
	add := func(r *mr.ModelRegistry) {
		stages[register(t, r, "", nil).Version] = mr.Development
		recorded = gates
	}
	steps := map[string]func(){
		"new":               func() { add(openStore(t, dir, nil)) },
		"new, kept running": func() { add(runsOn) },
		"older": func() {
			stage := []mr.ModelStage{mr.Archived, mr.Development, mr.Staging}[random.IntN(3)]
			older.turn("1.0.2", string(stage))
			stages["1.0.2"] = stage
		},
		"ubunye 0.8": func() {
			next++
			v := fmt.Sprintf("0.%d.0", next)
			gates = fmt.Sprintf(`{"min_auc":0.%d}`, 1+random.IntN(8))
			py.PythonRegisters(v)
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				return strings.TrimSuffix(s, "\n}") + ",\n  \"promotion_gates\": {\n    " + strings.Trim(strings.Replace(gates, ":", ": ", 1), "{}") + "\n  }\n}"
			})
			stages[v] = mr.Development
		},
		"ubunye 0.5": func() { // which drops the key
			next++
			v := fmt.Sprintf("0.%d.0", next)
			py.PythonRegisters(v)
			stages[v] = mr.Development
			gates = recorded // an older release keeps the gates of 0.8 only in the key
		},
		"lost": func() { // and written again by the older release, without the key
			add(runsOn)
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
			older.turn("1.0.1", string(mr.Archived))
			stages["1.0.1"] = mr.Archived
		},
	}
	names := []string{"new", "new, kept running", "older", "older", "ubunye 0.8", "ubunye 0.5", "lost"}
	for range 25 {
		step := names[random.IntN(len(names))]
		if _, err := os.Stat(modelPath(dir, "registry.json")); err != nil {
			t.Fatal(err)
		}
		steps[step]()
		done = append(done, step)
		for _, r := range []*mr.ModelRegistry{openStore(t, dir, nil), runsOn} {
			wantStages(t, r, stages)
			v, err := r.GetVersion(t.Context(), fraud.At("1.0.1"))
			if err != nil || mustJSON(t, v.ModelGates) != gates || !json.Valid([]byte(mustJSON(t, v.Gates))) || v.Gates.Len() != 2 {
				t.Fatalf("after %q: the model's gates are %s, want %s; the version's are %s, %v, want two",
					done, mustJSON(t, v.ModelGates), gates, mustJSON(t, v.Gates), err)
			}
		}
		if t.Failed() {
			t.Fatalf("the stages are wrong after %q", done)
		}
	}
	add(openStore(t, dir, nil))
	wantLaterKept(t, dir, false)
	report, err := openStore(t, dir, nil).Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems() {
		if p.Kind != mr.EntryUnreadable {
			t.Errorf("after %q: Verify reports %v, want only unreadable entries", done, p)
		}
	}
	if diff := cmp.Diff(stages, stagesOf(t, runsOn)); diff != "" {
		t.Error(diff)
	}
}
