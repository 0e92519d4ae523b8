package modelregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// The stores in this file are as FORMAT.md describes them: written by a Python
// program, by an editor, or by both and us in turns.

var pyName = modelregistry.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}

// pyFrozen is a store that every later release must read.
const pyFrozen = "testdata/stores/python-0.1.7"

const (
	pyDay1 = "2026-11-20T05:30:11.655479+00:00"
	pyDay2 = "2026-11-21T07:00:00+00:00"
	pyDay3 = "2026-11-22T05:30:11.655479+00:00"
)

// pyStore is a store folder under test.
type pyStore struct {
	t   *testing.T
	dir string
}

func pyNewStore(t *testing.T) *pyStore {
	t.Helper()
	return &pyStore{t, t.TempDir()}
}

// pyCopyFrozen returns a copy of the frozen store.
func pyCopyFrozen(t *testing.T) *pyStore {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(pyFrozen)); err != nil {
		t.Fatal(err)
	}
	return &pyStore{t, dir}
}

func (s *pyStore) path(name string) string {
	return filepath.Join(s.dir, pyName.UseCase, pyName.Model, filepath.FromSlash(name))
}

func (s *pyStore) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// write writes a file in place, as Python does.
func (s *pyStore) write(name string, data []byte) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), data, 0o666); err != nil {
		s.t.Fatal(err)
	}
}

func (s *pyStore) remove(name string) {
	s.t.Helper()
	if err := os.RemoveAll(s.path(name)); err != nil {
		s.t.Fatal(err)
	}
}

// tree writes a version's artifact as Python does, without a manifest.
func (s *pyStore) tree(versions ...string) {
	s.t.Helper()
	for _, v := range versions {
		s.write("versions/"+v+"/model/model.txt", []byte("weights of "+v+"\n"))
		s.write("versions/"+v+"/metadata.json", []byte("{}"))
		s.write("versions/"+v+"/metrics.json", []byte("{}"))
	}
}

// blockCheckpoint makes every further write of the document fail.
func (s *pyStore) blockCheckpoint() {
	s.t.Helper()
	s.write(".registry.json.tmp/in-the-way", nil)
}

func (s *pyStore) unblockCheckpoint() { s.remove(".registry.json.tmp") }

// open returns a registry of its own, with nothing in memory.
func (s *pyStore) open() *modelregistry.ModelRegistry {
	s.t.Helper()
	r, err := modelregistry.Open(s.dir, &modelregistry.Options{Actor: "go"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r
}

func (s *pyStore) list(r *modelregistry.ModelRegistry) []pyLine {
	s.t.Helper()
	list, err := r.ListVersions(s.t.Context(), pyName)
	if err != nil {
		s.t.Fatal(err)
	}
	return pyLines(list)
}

// same checks that a fresh registry, one without the document, and r agree, and
// returns what they say.
func (s *pyStore) same(r *modelregistry.ModelRegistry) []pyLine {
	s.t.Helper()
	want := s.list(r)
	if diff := cmp.Diff(want, s.list(s.open())); diff != "" {
		s.t.Errorf("a fresh registry reads otherwise (-held +fresh):\n%s", diff)
	}
	copied := filepath.Join(s.t.TempDir(), "replayed")
	if err := os.CopyFS(copied, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	replayed := &pyStore{s.t, copied}
	replayed.remove("registry.json")
	if diff := cmp.Diff(want, replayed.list(replayed.open())); diff != "" {
		s.t.Errorf("the history alone reads otherwise (-held +replayed):\n%s", diff)
	}
	return want
}

func (s *pyStore) register(r *modelregistry.ModelRegistry, version string) modelregistry.ModelVersion {
	s.t.Helper()
	v, err := r.Register(s.t.Context(), pyName, pyArtifact(version), &modelregistry.RegisterOptions{
		Version: version, Metrics: map[string]any{"auc": 0.5, "n": 1.0, "rows": 7}, Metadata: map[string]any{"by": "go"}, Actor: "go",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *pyStore) promote(r *modelregistry.ModelRegistry, version string, to modelregistry.ModelStage) {
	s.t.Helper()
	if _, err := r.Promote(s.t.Context(), pyName.At(version), to, nil); err != nil {
		s.t.Fatal(err)
	}
}

func pyArtifact(text string) modelregistry.Artifact {
	return modelregistry.FromFS(fstest.MapFS{"model.bin": {Data: []byte(text)}})
}

// pyLine is a version as it is compared.
type pyLine struct {
	Version, Stage                       string
	Registered, Staged, Served, Archived time.Time
	Metrics, Metadata                    string
	Run, Hash, By, RegisteredBy          string
	Problems                             []string
}

func pyLines(list []modelregistry.ModelVersion) []pyLine {
	lines := make([]pyLine, len(list))
	for i, v := range list {
		lines[i] = pyLine{v.Version, string(v.Stage), v.RegisteredAt, v.PromotedToStaging, v.PromotedToProduction, v.ArchivedAt,
			v.Metrics.String(), v.Metadata.String(), v.LineageRunID, v.ConfigHash, v.PromotedBy, v.RegisteredBy, v.Problems}
	}
	return lines
}

func pyStages(lines []pyLine) map[string]string {
	m := map[string]string{}
	for _, l := range lines {
		m[l.Version] = l.Stage
	}
	return m
}

// pyEvent is a line of the history as these tests look at it.
type pyEvent struct {
	Event   int64                        `json:"event"`
	Op      string                       `json:"op"`
	Version string                       `json:"version"`
	Reset   bool                         `json:"reset"`
	Removed []string                     `json:"removed"`
	Deleted map[string]map[string]string `json:"deleted"`
	After   json.RawMessage              `json:"after"`
	Prev    string                       `json:"prev"`
}

func (s *pyStore) events() []pyEvent {
	s.t.Helper()
	var events []pyEvent
	for line := range bytes.Lines(s.read("history.jsonl")) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			s.t.Fatalf("the history ends in a torn line: %q", line)
		}
		var e pyEvent
		if err := json.Unmarshal(pyjson.Finite(nil, bytes.TrimSpace(line)), &e); err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

func (s *pyStore) ops() []string {
	s.t.Helper()
	var ops []string
	for _, e := range s.events() {
		ops = append(ops, strings.TrimSpace(e.Op+" "+e.Version))
	}
	return ops
}

func (s *pyStore) document() *document.Document {
	s.t.Helper()
	d, err := document.Parse(s.read("registry.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// inStep checks that the document is ours and stands at the last event.
func (s *pyStore) inStep() {
	s.t.Helper()
	d, events := s.document(), s.events()
	if d.Mark == nil || !d.Intact {
		s.t.Fatalf("the document does not carry our key:\n%s", s.read("registry.json"))
	}
	if last := events[len(events)-1].Event; d.Mark.Event != last {
		s.t.Errorf("the document stands at event %d, the history at %d", d.Mark.Event, last)
	}
}

// rawEntry returns the bytes of a version's entry in the document.
func (s *pyStore) rawEntry(version string) string {
	s.t.Helper()
	for _, e := range s.document().Entries {
		if e.Version == version {
			return string(e.Raw)
		}
	}
	s.t.Fatalf("the document has no entry %s", version)
	return ""
}

// pyEntry is an entry with the eleven keys, as Python lays it out in the
// document.
func pyEntry(version, stage string, set ...string) string {
	values := map[string]string{
		"version": string(pyjson.Quote(version)), "stage": string(pyjson.Quote(stage)), "registered_at": string(pyjson.Quote(pyDay1)),
		"metrics": "{}", "metadata": "{}",
	}
	for i := 0; i < len(set); i += 2 {
		values[set[i]] = set[i+1]
	}
	var raw []byte
	for i, key := range document.Keys {
		value := values[key]
		if value == "" {
			value = "null"
		}
		sep := ","
		if i == 0 {
			sep = "{"
		}
		raw = fmt.Appendf(raw, `%s"%s":%s`, sep, key, value)
		delete(values, key)
	}
	for i := 0; i < len(set); i += 2 {
		if v, unknown := values[set[i]]; unknown {
			raw = fmt.Appendf(raw, `,"%s":%s`, set[i], v)
		}
	}
	return string(document.LayEntry(append(raw, '}')))
}

// pyDocument is a document of entries, each a version and its raw value.
func pyDocument(entries ...string) []byte {
	d := document.New(pyName.UseCase, pyName.Model)
	for i := 0; i < len(entries); i += 2 {
		d.Entries = append(d.Entries, document.Entry{Version: entries[i], Raw: []byte(entries[i+1])})
	}
	return document.Format(d)
}

// pyWrite does what the Python program does when it changes something: it reads
// the document, knows three top-level keys and eleven in an entry, and writes
// it all anew, in place.
func (s *pyStore) pyWrite(change func(entries map[string]map[string]string, order *[]string)) {
	s.t.Helper()
	entries := map[string]map[string]string{}
	var order []string
	for _, e := range s.document().Entries {
		members, err := pyjson.Object(e.Raw)
		if err != nil {
			s.t.Fatal(err)
		}
		entry := map[string]string{}
		for _, m := range members {
			if !slices.Contains(document.Keys, m.Key) {
				s.t.Fatalf("Python can't read an entry with the key %q", m.Key)
			}
			entry[m.Key] = string(m.Value)
		}
		if len(entry) != len(document.Keys) {
			s.t.Fatalf("entry %s has %d keys", e.Version, len(entry))
		}
		order = append(order, e.Version)
		entries[e.Version] = entry
	}
	change(entries, &order)
	var list []string
	for _, v := range order {
		var set []string
		for _, key := range document.Keys {
			set = append(set, key, entries[v][key])
		}
		list = append(list, v, pyEntry(v, "", set...))
	}
	s.write("registry.json", pyDocument(list...))
}

// pyPromote is Python's promotion to production.
func (s *pyStore) pyPromote(version, when string) {
	s.t.Helper()
	at := string(pyjson.Quote(when))
	s.pyWrite(func(entries map[string]map[string]string, order *[]string) {
		for _, v := range *order {
			if entries[v]["stage"] == `"production"` {
				entries[v]["stage"], entries[v]["archived_at"] = `"archived"`, at
			}
		}
		entries[version]["stage"], entries[version]["promoted_to_prod"], entries[version]["promoted_by"] = `"production"`, at, `"py"`
	})
}

// pyRegister is Python's registration.
func (s *pyStore) pyRegister(version string) {
	s.t.Helper()
	s.tree(version)
	s.pyWrite(func(entries map[string]map[string]string, order *[]string) {
		entries[version] = map[string]string{
			"version": string(pyjson.Quote(version)), "stage": `"development"`, "registered_at": string(pyjson.Quote(pyDay3)),
			"metrics": `{"auc":0.25,"psi":NaN}`, "metadata": `{"by":"py"}`,
		}
		*order = append(*order, version)
	})
}

func TestPythonFrozenStoreReads(t *testing.T) {
	t.Parallel()
	r, err := modelregistry.Open(pyFrozen, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := t.Context()
	list, err := r.ListVersions(ctx, pyName)
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute, second, micro int) time.Time {
		return time.Date(2026, 11, day, hour, minute, second, micro*1000, time.UTC)
	}
	stamp := func(day int) time.Time { return at(day, 5, 30, 11, 655479) }
	want := []pyLine{
		{Version: "1.2.0-rc.1", Stage: "development", Registered: at(23, 7, 0, 0, 0), Metrics: "{}", Metadata: "{}"},
		{Version: "1.2.0", Stage: "staging", Registered: stamp(23), Staged: stamp(24),
			Metrics: `{"auc":0.95,"big":1e+16,"zero":-0.0}`, Metadata: `{"lone":"\ud800"}`, By: "bob"},
		{Version: "1.1.0", Stage: "production", Registered: stamp(21), Staged: stamp(21), Served: stamp(22),
			Metrics:  `{"auc":0.9,"rows":123456789012345678901234567890,"psi":NaN,"gain":Infinity,"drop":-Infinity}`,
			Metadata: `{"framework":"scikit-learn","classes":["a","b",[]],"params":{"depth":3,"eta":0.1,"empty":{}},"drift_check_passed":false,"tags":[]}`,
			Run:      "run-2", By: "alice"},
		{Version: "1.0.0", Stage: "archived", Registered: stamp(20), Staged: at(20, 7, 0, 0, 0), Served: stamp(21), Archived: stamp(22),
			Metrics:  `{"auc":0.8123456789012345,"loss":1e-07,"n":1.0,"rows":1}`,
			Metadata: `{"framework":"scikit-learn","note":"Gr\u00f6\u00dfe <b> & \"x\" / \ud83d\ude00\u007f","drift_check_passed":true}`,
			Run:      "run-1", Hash: strings.Repeat("ab", 32), By: "alice"},
	}
	if diff := cmp.Diff(want, pyLines(list)); diff != "" {
		t.Error(diff)
	}
	m, err := r.GetModel(ctx, pyName.In(modelregistry.Production), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if data, err := os.ReadFile(filepath.Join(m.Path, "model.txt")); err != nil || string(data) != "weights of 1.1.0\n" {
		t.Errorf("production's file is %q, %v", data, err)
	}
	if note, _ := list[3].Metadata.Get("note"); note != "Größe <b> & \"x\" / 😀\x7f" {
		t.Errorf("note is %q", note)
	}
	for _, leftover := range []string{"history.jsonl", ".lock", ".staging"} {
		if _, err := os.Stat(filepath.Join(pyFrozen, pyName.UseCase, pyName.Model, leftover)); err == nil {
			t.Errorf("reading left %s", leftover)
		}
	}
}

func TestPythonFrozenStoreIsCarriedOn(t *testing.T) {
	t.Parallel()
	s := pyCopyFrozen(t)
	before := map[string]string{}
	for _, e := range s.document().Entries {
		before[e.Version] = string(e.Raw)
	}
	frozen := s.read("registry.json")
	r := s.open()
	v, err := r.Register(t.Context(), pyName, pyArtifact("new"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "1.2.1" {
		t.Errorf("the next version is %s", v.Version)
	}
	if diff := cmp.Diff([]string{"import", "register 1.2.1"}, s.ops()); diff != "" {
		t.Error(diff)
	}
	for version, raw := range before {
		if diff := cmp.Diff(raw, s.rawEntry(version)); diff != "" {
			t.Errorf("%s, which nobody touched:\n%s", version, diff)
		}
	}
	if ours := s.read("registry.json"); !bytes.HasPrefix(ours, frozen[:len(frozen)-len("\n  }\n}")]) {
		t.Errorf("the document no longer begins as Python left it:\n%s", ours)
	}
	s.inStep()
	s.promote(r, "1.2.0", modelregistry.Production)
	for _, version := range []string{"1.0.0", "1.2.0-rc.1"} {
		if diff := cmp.Diff(before[version], s.rawEntry(version)); diff != "" {
			t.Errorf("%s, which nobody touched:\n%s", version, diff)
		}
	}
	lines := s.same(r)
	want := map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0-rc.1": "development", "1.2.0": "production", "1.2.1": "development"}
	if diff := cmp.Diff(want, pyStages(lines)); diff != "" {
		t.Error(diff)
	}
	// One version back, by what the entries say alone.
	back, err := r.Rollback(t.Context(), pyName, nil)
	if err != nil || back.Version != "1.1.0" {
		t.Errorf("rolled back to %q, %v", back.Version, err)
	}
	s.same(r)
	// Metrics and metadata of entries that moved are the same, value for value.
	for _, version := range []string{"1.1.0", "1.2.0"} {
		for _, key := range []string{"metrics", "metadata"} {
			if diff := cmp.Diff(pyMember(t, before[version], key), pyMember(t, s.rawEntry(version), key)); diff != "" {
				t.Errorf("%s of %s:\n%s", key, version, diff)
			}
		}
	}
}

func pyMember(t *testing.T, raw, key string) string {
	t.Helper()
	members, err := pyjson.Object([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.Key == key {
			return string(m.Value)
		}
	}
	return ""
}

// Whatever shape an entry has, it is listed, hides nobody else, and is still
// there, to the byte, after a change of another.
func TestPythonStrangeEntries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		version  string
		raw      string
		stage    string
		problems int
	}{
		{"in order", "1.0.0", pyEntry("1.0.0", "staging"), "staging", 0},
		{"non-finite", "1.0.0", pyEntry("1.0.0", "staging", "metrics", `{"a":NaN,"b":Infinity,"c":-Infinity}`), "staging", 0},
		{"big integers", "1.0.0", pyEntry("1.0.0", "staging", "metrics", `{"a":123456789012345678901234567890,"b":-9223372036854775809,"c":1.0,"d":1}`), "staging", 0},
		{"version only", "1.0.0", `{"version": "1.0.0"}`, "development", 0},
		{"empty object", "1.0.0", `{}`, "development", 0},
		{"unknown keys", "1.0.0", `{"owner": "team", "version": "1.0.0", "stage": "staging", "x": {"b": 1, "a": [NaN]}}`, "staging", 0},
		{"unknown stage", "1.0.0", pyEntry("1.0.0", "canary"), "canary", 1},
		{"stage in capitals", "1.0.0", pyEntry("1.0.0", "Production"), "Production", 1},
		{"null entry", "1.0.0", `null`, "", 1},
		{"list entry", "1.0.0", `[1, 2]`, "", 1},
		{"null metrics", "1.0.0", pyEntry("1.0.0", "staging", "metrics", "null", "metadata", "null"), "staging", 0},
		{"metrics no object", "1.0.0", pyEntry("1.0.0", "staging", "metrics", "[1]", "metadata", `"x"`), "staging", 2},
		{"stage no string", "1.0.0", pyEntry("1.0.0", "staging", "stage", "7"), "development", 1},
		{"strange time", "1.0.0", pyEntry("1.0.0", "staging", "registered_at", `"yesterday"`), "staging", 1},
		{"time without fraction", "1.0.0", pyEntry("1.0.0", "staging", "registered_at", `"2026-11-20T05:30:11+00:00"`), "staging", 0},
		{"time in Z", "1.0.0", pyEntry("1.0.0", "staging", "registered_at", `"2026-11-20T05:30:11Z"`), "staging", 0},
		{"no SemVer", "v2", pyEntry("v2", "staging"), "staging", 0},
		{"a date", "2024-01-05", pyEntry("2024-01-05", "staging"), "staging", 0},
		{"another version inside", "1.0.0", pyEntry("1.0.1", "staging"), "staging", 1},
		{"unreadable gates", "1.0.0", pyEntry("1.0.0", "staging", "promotion_gates", `{"minauc": 1}`), "staging", 1},
		{"white space", "1.0.0", "{ \"version\" :\t\"1.0.0\" , \"stage\":\"staging\",\r\n \"metrics\": { \"b\":1.0,\"a\" : 1 } }", "staging", 0},
		{"raw UTF-8", "1.0.0", `{"version":"1.0.0","stage":"staging","metadata":{"ö":"ü 😀"}}`, "staging", 0},
		{"a key twice", "1.0.0", `{"version":"1.0.0","stage":"development","stage":"staging"}`, "staging", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			s.write("registry.json", pyDocument(tt.version, tt.raw, "0.9.0", pyEntry("0.9.0", "staging")))
			s.tree(tt.version, "0.9.0")
			r := s.open()
			v, err := r.GetVersion(t.Context(), pyName.At(tt.version))
			if err != nil {
				t.Fatal(err)
			}
			if string(v.Stage) != tt.stage || len(v.Problems) != tt.problems {
				t.Errorf("stage %q, problems %q", v.Stage, v.Problems)
			}
			list, err := r.ListVersions(t.Context(), pyName)
			if err != nil || len(list) != 2 {
				t.Fatalf("%d versions, %v", len(list), err)
			}
			if _, err := json.Marshal(list); err != nil {
				t.Errorf("the list has no JSON form: %v", err)
			}
			before := pyLines(list)

			other := func(lines []pyLine) []pyLine {
				return slices.DeleteFunc(lines, func(l pyLine) bool { return l.Version != tt.version })
			}
			s.promote(r, "0.9.0", modelregistry.Production)
			if diff := cmp.Diff(tt.raw, s.rawEntry(tt.version)); diff != "" {
				t.Errorf("the entry, which nobody touched:\n%s", diff)
			}
			if diff := cmp.Diff(other(before), other(s.same(r))); diff != "" {
				t.Error(diff)
			}

			// It can be moved out of the way like any other.
			if _, err := r.Archive(t.Context(), pyName.At(tt.version), nil); err != nil {
				t.Fatal(err)
			}
			lines := s.same(r)
			if got := pyStages(lines)[tt.version]; got != "archived" {
				t.Errorf("archived, it is in %q", got)
			}
			old, err := pyjson.Object([]byte(tt.raw))
			if err != nil {
				return
			}
			for _, m := range old {
				if !slices.Contains([]string{"version", "stage", "archived_at"}, m.Key) {
					if now := pyMember(t, s.rawEntry(tt.version), m.Key); !pyjson.Equal([]byte(now), m.Value) {
						t.Errorf("%s was %s, is %s", m.Key, m.Value, now)
					}
				}
			}
		})
	}
}

func TestPythonGatesInEntryAreHonoured(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	s.write("registry.json", pyDocument(
		"1.0.0", pyEntry("1.0.0", "development", "metrics", `{"auc":0.5}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.1.0", pyEntry("1.1.0", "development", "metrics", `{"auc":NaN}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.2.0", pyEntry("1.2.0", "development", "metrics", `{"auc":0.9}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.3.0", pyEntry("1.3.0", "development", "metrics", `{"auc":0.9}`, "promotion_gates", `{"minauc":0.85}`),
	))
	s.tree("1.0.0", "1.1.0", "1.2.0", "1.3.0")
	r := s.open()
	for version, passes := range map[string]bool{"1.0.0": false, "1.1.0": false, "1.2.0": true, "1.3.0": false} {
		_, err := r.Promote(t.Context(), pyName.At(version), modelregistry.Staging, nil)
		var gate *modelregistry.GateError
		if passes && err != nil || !passes && !errors.As(err, &gate) {
			t.Errorf("%s: %v", version, err)
		}
	}
	s.same(r)
	if got := pyMember(t, s.rawEntry("1.2.0"), "promotion_gates"); got != "{\n        \"min_auc\": 0.85\n      }" {
		t.Errorf("the gates of an entry that moved became %q", got)
	}
}

func TestPythonTwoProductions(t *testing.T) {
	t.Parallel()
	production := func(version, when string) string {
		return pyEntry(version, "production", "promoted_to_prod", string(pyjson.Quote(when)))
	}
	tests := []struct {
		name string
		next func(t *testing.T, r *modelregistry.ModelRegistry) error
		want map[string]string
	}{
		{"registration", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Register(t.Context(), pyName, pyArtifact("x"), nil)
			return err
		}, map[string]string{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging", "1.3.1": "development"}},
		{"promotion", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(t.Context(), pyName.At("1.3.0"), modelregistry.Production, nil)
			return err
		}, map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "production"}},
		{"rollback", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.RollbackTo(t.Context(), pyName.At("1.1.0"), nil)
			return err
		}, map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "archived", "1.3.0": "staging"}},
		{"demotion", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Demote(t.Context(), pyName.At("1.0.0"), modelregistry.Staging, nil)
			return err
		}, map[string]string{"1.0.0": "staging", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			s.write("registry.json", pyDocument("1.0.0", production("1.0.0", pyDay3), "1.1.0", production("1.1.0", pyDay1),
				"1.2.0", production("1.2.0", pyDay2), "1.3.0", pyEntry("1.3.0", "staging")))
			s.tree("1.0.0", "1.1.0", "1.2.0", "1.3.0")
			r := s.open()
			v, err := r.GetVersion(t.Context(), pyName.In(modelregistry.Production))
			if err != nil || v.Version != "1.0.0" {
				t.Fatalf("production is %q, %v; 1.0.0 was promoted last", v.Version, err)
			}
			want := map[string]string{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging"}
			if diff := cmp.Diff(want, pyStages(s.list(r))); diff != "" {
				t.Error(diff)
			}
			if err := tt.next(t, r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, pyStages(s.same(r))); diff != "" {
				t.Errorf("after the next change:\n%s", diff)
			}
			stored := map[string]string{}
			for _, e := range s.document().Entries {
				stored[e.Version] = strings.Trim(pyMember(t, string(e.Raw), "stage"), `"`)
			}
			if diff := cmp.Diff(tt.want, stored); diff != "" {
				t.Errorf("the document was not mended by the next change (-want +stored):\n%s", diff)
			}
		})
	}
}

// The same content in other dress is read the same, and entries keep their
// dress.
func TestPythonLayouts(t *testing.T) {
	t.Parallel()
	frozen, err := os.ReadFile(filepath.Join(pyFrozen, pyName.UseCase, pyName.Model, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse(frozen)
	if err != nil {
		t.Fatal(err)
	}
	want := (&pyStore{t, pyFrozen}).list((&pyStore{t, pyFrozen}).open())
	versions := frozen[bytes.Index(frozen, []byte(`"versions"`))+len(`"versions": `) : len(frozen)-2]
	tests := map[string][]byte{
		"CRLF":             bytes.ReplaceAll(frozen, []byte("\n"), []byte("\r\n")),
		"compact":          pyjson.Compact(nil, frozen),
		"trailing newline": append(slices.Clone(frozen), '\n'),
		"tabs":             bytes.ReplaceAll(frozen, []byte("  "), []byte("\t")),
		"reordered":        fmt.Appendf(nil, `{"versions": %s, "use_case": "fraud_detection", "model_name": "FraudRiskModel"}`, versions),
		"further keys":     fmt.Appendf(nil, `{"owner": {"b": 1.0, "a": NaN}, "versions": %s, "model_name": "FraudRiskModel", "zz": 123456789012345678901}`, versions),
		"versions only":    fmt.Appendf(nil, `{"versions": %s}`, versions),
		"raw UTF-8":        bytes.ReplaceAll(frozen, []byte(`\u00f6\u00df`), []byte("öß")),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pyCopyFrozen(t)
			s.write("registry.json", data)
			r := s.open()
			if diff := cmp.Diff(want, s.list(r)); diff != "" {
				t.Fatal(diff)
			}
			parsed := s.document()
			s.register(r, "2.0.0")
			s.inStep()
			for i, e := range parsed.Entries {
				if e.Version != d.Entries[i].Version {
					t.Errorf("entry %d is %s", i, e.Version)
				}
				if diff := cmp.Diff(string(e.Raw), s.rawEntry(e.Version)); diff != "" {
					t.Errorf("%s, which nobody touched:\n%s", e.Version, diff)
				}
			}
			now := s.document()
			for i, m := range parsed.Head {
				if now.Head[i].Key != m.Key || !bytes.Equal(now.Head[i].Value, m.Value) {
					t.Errorf("top-level key %s became %s: %s", m.Key, now.Head[i].Key, now.Head[i].Value)
				}
			}
			s.same(r)
		})
	}
}

// Every document that we write begins as Python would write it, key by key.
func TestPythonReadsWhatWeWrite(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	_, err := r.Register(t.Context(), pyName, pyArtifact("x"), &modelregistry.RegisterOptions{
		Metrics:  map[string]any{"auc": 0.9, "n": 1.0, "i": 1, "small": 1e-7, "big": 1e16, "f32": float32(0.1), "nan": nil},
		Metadata: map[string]any{"text": "ö <&> 😀\x7f\n", "list": []any{}, "map": map[string]any{}, "nested": []any{1, []int{2}}},
		Gates:    modelregistry.MinMetric("auc", 0.5), LineageRunID: "run", ConfigHash: "c0ffee", SourceRevision: "abc", Actor: "me",
	})
	if err != nil {
		t.Fatal(err)
	}
	d := s.document()
	registered := pyMember(t, string(d.Entries[0].Raw), "registered_at")
	want := `{
  "model_name": "FraudRiskModel",
  "use_case": "fraud_detection",
  "versions": {
    "1.0.0": {
      "version": "1.0.0",
      "stage": "development",
      "registered_at": ` + registered + `,
      "promoted_to_staging": null,
      "promoted_to_prod": null,
      "archived_at": null,
      "metrics": {
        "auc": 0.9,
        "big": 1e+16,
        "f32": 0.1,
        "i": 1,
        "n": 1.0,
        "nan": null,
        "small": 1e-07
      },
      "metadata": {
        "list": [],
        "map": {},
        "nested": [
          1,
          [
            2
          ]
        ],
        "text": "\u00f6 <&> \ud83d\ude00\u007f\n"
      },
      "lineage_run_id": "run",
      "config_hash": "c0ffee",
      "promoted_by": null
    }
  },
  "modelregistry": {`
	got := string(s.read("registry.json"))
	if !strings.HasPrefix(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if len(registered) != len(`"2026-11-23T05:30:11.655479+00:00"`) || !strings.HasSuffix(registered, `+00:00"`) {
		t.Errorf("registered at %s", registered)
	}
	s.promote(r, "1.0.0", modelregistry.Production)
	members, err := pyjson.Object([]byte(s.rawEntry("1.0.0")))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, m := range members {
		keys = append(keys, m.Key)
	}
	if diff := cmp.Diff(document.Keys, keys); diff != "" {
		t.Error(diff)
	}
}

// Moves of an entry whose stage we don't know, and refusals, leave a history
// that can be read.
func TestPythonUnknownStageMoves(t *testing.T) {
	t.Parallel()
	moves := map[string]func(ctx context.Context, r *modelregistry.ModelRegistry) error{
		"archive": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Archive(ctx, pyName.At("1.0.0"), nil)
			return err
		},
		"promote": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(ctx, pyName.At("1.0.0"), modelregistry.Staging, nil)
			return err
		},
		"demote": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Demote(ctx, pyName.At("1.0.0"), modelregistry.Development, nil)
			return err
		},
		"refusal": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(ctx, pyName.At("1.0.0"), modelregistry.Staging, &modelregistry.MoveOptions{Gates: modelregistry.MinMetric("auc", 2)})
			var gate *modelregistry.GateError
			if errors.As(err, &gate) {
				return nil
			}
			return fmt.Errorf("want a refusal, got %w", err)
		},
	}
	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			s.write("registry.json", pyDocument("1.0.0", pyEntry("1.0.0", "canary")))
			s.tree("1.0.0")
			r := s.open()
			if err := move(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			s.same(r)
		})
	}
}
