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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// The stores in this file are as FORMAT.md describes them: written by a Python
// program, by an editor, or by both and us in turns.

// frozenPython is a store that every later release must read.
const frozenPython = "testdata/stores/python-0.1.7"

func TestPythonFrozenStoreReads(t *testing.T) {
	t.Parallel()
	r, err := modelregistry.Open(frozenPython, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := t.Context()
	list, err := r.ListVersions(ctx, fraud)
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute, second, micro int) time.Time {
		return time.Date(2026, 11, day, hour, minute, second, micro*1000, time.UTC)
	}
	stamp := func(day int) time.Time { return at(day, 5, 30, 11, 655479) }
	want := []pythonstore.Line{
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
	if diff := cmp.Diff(want, pythonstore.Lines(list)); diff != "" {
		t.Error(diff)
	}
	m, err := r.GetModel(ctx, fraud.In(modelregistry.Production), nil)
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
		if _, err := os.Stat(filepath.Join(frozenPython, fraud.UseCase, fraud.Model, leftover)); err == nil {
			t.Errorf("reading left %s", leftover)
		}
	}
}

func TestPythonFrozenStoreIsCarriedOn(t *testing.T) {
	t.Parallel()
	s := pythonstore.Copy(t, frozenPython)
	before := map[string]string{}
	for _, e := range s.Document().Entries {
		before[e.Version] = string(e.Raw)
	}
	frozen := s.Read("registry.json")
	r := s.Open()
	v, err := r.Register(t.Context(), fraud, pythonstore.Artifact("new"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.Version != "1.2.1" {
		t.Errorf("the next version is %s", v.Version)
	}
	if diff := cmp.Diff([]string{"import", "register 1.2.1"}, s.Ops()); diff != "" {
		t.Error(diff)
	}
	for version, raw := range before {
		if diff := cmp.Diff(raw, s.RawEntry(version)); diff != "" {
			t.Errorf("%s, which nobody touched:\n%s", version, diff)
		}
	}
	if ours := s.Read("registry.json"); !bytes.HasPrefix(ours, frozen[:len(frozen)-len("\n  }\n}")]) {
		t.Errorf("the document no longer begins as Python left it:\n%s", ours)
	}
	s.WantInStep()
	s.Promote(r, "1.2.0", modelregistry.Production)
	for _, version := range []string{"1.0.0", "1.2.0-rc.1"} {
		if diff := cmp.Diff(before[version], s.RawEntry(version)); diff != "" {
			t.Errorf("%s, which nobody touched:\n%s", version, diff)
		}
	}
	lines := s.Same(r)
	want := map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0-rc.1": "development", "1.2.0": "production", "1.2.1": "development"}
	if diff := cmp.Diff(want, pythonstore.Stages(lines)); diff != "" {
		t.Error(diff)
	}
	// One version back, by what the entries say alone.
	back, err := r.Rollback(t.Context(), fraud, nil)
	if err != nil || back.Version != "1.1.0" {
		t.Errorf("rolled back to %q, %v", back.Version, err)
	}
	s.Same(r)
	// Metrics and metadata of entries that moved are the same, value for value.
	for _, version := range []string{"1.1.0", "1.2.0"} {
		for _, key := range []string{"metrics", "metadata"} {
			if diff := cmp.Diff(pythonstore.Member(t, before[version], key), pythonstore.Member(t, s.RawEntry(version), key)); diff != "" {
				t.Errorf("%s of %s:\n%s", key, version, diff)
			}
		}
	}
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
		{"in order", "1.0.0", pythonstore.Entry("1.0.0", "staging"), "staging", 0},
		{"non-finite", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", `{"a":NaN,"b":Infinity,"c":-Infinity}`), "staging", 0},
		{"big integers", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", `{"a":123456789012345678901234567890,"b":-9223372036854775809,"c":1.0,"d":1}`), "staging", 0},
		{"version only", "1.0.0", `{"version": "1.0.0"}`, "development", 0},
		{"empty object", "1.0.0", `{}`, "development", 0},
		{"unknown keys", "1.0.0", `{"owner": "team", "version": "1.0.0", "stage": "staging", "x": {"b": 1, "a": [NaN]}}`, "staging", 0},
		{"unknown stage", "1.0.0", pythonstore.Entry("1.0.0", "canary"), "canary", 1},
		{"stage in capitals", "1.0.0", pythonstore.Entry("1.0.0", "Production"), "Production", 1},
		{"null entry", "1.0.0", `null`, "", 1},
		{"list entry", "1.0.0", `[1, 2]`, "", 1},
		{"null metrics", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", "null", "metadata", "null"), "staging", 0},
		{"metrics no object", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", "[1]", "metadata", `"x"`), "staging", 2},
		{"stage no string", "1.0.0", pythonstore.Entry("1.0.0", "staging", "stage", "7"), "development", 1},
		{"strange time", "1.0.0", pythonstore.Entry("1.0.0", "staging", "registered_at", `"yesterday"`), "staging", 1},
		{"time without fraction", "1.0.0", pythonstore.Entry("1.0.0", "staging", "registered_at", `"2026-11-20T05:30:11+00:00"`), "staging", 0},
		{"time in Z", "1.0.0", pythonstore.Entry("1.0.0", "staging", "registered_at", `"2026-11-20T05:30:11Z"`), "staging", 0},
		{"no SemVer", "v2", pythonstore.Entry("v2", "staging"), "staging", 0},
		{"a date", "2024-01-05", pythonstore.Entry("2024-01-05", "staging"), "staging", 0},
		{"another version inside", "1.0.0", pythonstore.Entry("1.0.1", "staging"), "staging", 1},
		{"unreadable gates", "1.0.0", pythonstore.Entry("1.0.0", "staging", "promotion_gates", `{"minauc": 1}`), "staging", 1},
		{"white space", "1.0.0", "{ \"version\" :\t\"1.0.0\" , \"stage\":\"staging\",\r\n \"metrics\": { \"b\":1.0,\"a\" : 1 } }", "staging", 0},
		{"raw UTF-8", "1.0.0", `{"version":"1.0.0","stage":"staging","metadata":{"ö":"ü 😀"}}`, "staging", 0},
		{"a key twice", "1.0.0", `{"version":"1.0.0","stage":"development","stage":"staging"}`, "staging", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			s.Write("registry.json", pythonstore.Document(tt.version, tt.raw, "0.9.0", pythonstore.Entry("0.9.0", "staging")))
			s.WriteTrees(tt.version, "0.9.0")
			r := s.Open()
			v, err := r.GetVersion(t.Context(), fraud.At(tt.version))
			if err != nil {
				t.Fatal(err)
			}
			if string(v.Stage) != tt.stage || len(v.Problems) != tt.problems {
				t.Errorf("stage %q, problems %q", v.Stage, v.Problems)
			}
			list, err := r.ListVersions(t.Context(), fraud)
			if err != nil || len(list) != 2 {
				t.Fatalf("%d versions, %v", len(list), err)
			}
			if _, err := json.Marshal(list); err != nil {
				t.Errorf("the list has no JSON form: %v", err)
			}
			before := pythonstore.Lines(list)

			other := func(lines []pythonstore.Line) []pythonstore.Line {
				return slices.DeleteFunc(lines, func(l pythonstore.Line) bool { return l.Version != tt.version })
			}
			s.Promote(r, "0.9.0", modelregistry.Production)
			if diff := cmp.Diff(tt.raw, s.RawEntry(tt.version)); diff != "" {
				t.Errorf("the entry, which nobody touched:\n%s", diff)
			}
			if diff := cmp.Diff(other(before), other(s.Same(r))); diff != "" {
				t.Error(diff)
			}

			// It can be moved out of the way like any other.
			if _, err := r.Archive(t.Context(), fraud.At(tt.version), nil); err != nil {
				t.Fatal(err)
			}
			lines := s.Same(r)
			if got := pythonstore.Stages(lines)[tt.version]; got != "archived" {
				t.Errorf("archived, it is in %q", got)
			}
			old, err := pyjson.Object([]byte(tt.raw))
			if err != nil {
				return
			}
			for _, m := range old {
				if !slices.Contains([]string{"version", "stage", "archived_at"}, m.Key) {
					if now := pythonstore.Member(t, s.RawEntry(tt.version), m.Key); !pyjson.Equal([]byte(now), m.Value) {
						t.Errorf("%s was %s, is %s", m.Key, m.Value, now)
					}
				}
			}
		})
	}
}

func TestPythonGatesInEntryAreHonoured(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	s.Write("registry.json", pythonstore.Document(
		"1.0.0", pythonstore.Entry("1.0.0", "development", "metrics", `{"auc":0.5}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.1.0", pythonstore.Entry("1.1.0", "development", "metrics", `{"auc":NaN}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.2.0", pythonstore.Entry("1.2.0", "development", "metrics", `{"auc":0.9}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.3.0", pythonstore.Entry("1.3.0", "development", "metrics", `{"auc":0.9}`, "promotion_gates", `{"minauc":0.85}`),
	))
	s.WriteTrees("1.0.0", "1.1.0", "1.2.0", "1.3.0")
	r := s.Open()
	for version, passes := range map[string]bool{"1.0.0": false, "1.1.0": false, "1.2.0": true, "1.3.0": false} {
		_, err := r.Promote(t.Context(), fraud.At(version), modelregistry.Staging, nil)
		var gate *modelregistry.GateError
		if passes && err != nil || !passes && !errors.As(err, &gate) {
			t.Errorf("%s: %v", version, err)
		}
	}
	s.Same(r)
	if got := pythonstore.Member(t, s.RawEntry("1.2.0"), "promotion_gates"); got != "{\n        \"min_auc\": 0.85\n      }" {
		t.Errorf("the gates of an entry that moved became %q", got)
	}
}

func TestPythonTwoProductions(t *testing.T) {
	t.Parallel()
	production := func(version, when string) string {
		return pythonstore.Entry(version, "production", "promoted_to_prod", string(pyjson.Quote(when)))
	}
	tests := []struct {
		name string
		next func(t *testing.T, r *modelregistry.ModelRegistry) error
		want map[string]string
	}{
		{"registration", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), nil)
			return err
		}, map[string]string{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging", "1.3.1": "development"}},
		{"promotion", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(t.Context(), fraud.At("1.3.0"), modelregistry.Production, nil)
			return err
		}, map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "production"}},
		{"rollback", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.RollbackTo(t.Context(), fraud.At("1.1.0"), nil)
			return err
		}, map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "archived", "1.3.0": "staging"}},
		{"demotion", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Demote(t.Context(), fraud.At("1.0.0"), modelregistry.Staging, nil)
			return err
		}, map[string]string{"1.0.0": "staging", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			s.Write("registry.json", pythonstore.Document("1.0.0", production("1.0.0", pythonstore.Day3), "1.1.0", production("1.1.0", pythonstore.Day1),
				"1.2.0", production("1.2.0", pythonstore.Day2), "1.3.0", pythonstore.Entry("1.3.0", "staging")))
			s.WriteTrees("1.0.0", "1.1.0", "1.2.0", "1.3.0")
			r := s.Open()
			v, err := r.GetVersion(t.Context(), fraud.In(modelregistry.Production))
			if err != nil || v.Version != "1.0.0" {
				t.Fatalf("production is %q, %v; 1.0.0 was promoted last", v.Version, err)
			}
			want := map[string]string{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging"}
			if diff := cmp.Diff(want, pythonstore.Stages(s.List(r))); diff != "" {
				t.Error(diff)
			}
			if err := tt.next(t, r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, pythonstore.Stages(s.Same(r))); diff != "" {
				t.Errorf("after the next change:\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, s.StagesInDocument()); diff != "" {
				t.Errorf("the document was not mended by the next change (-want +stored):\n%s", diff)
			}
		})
	}
}

// The same content in other dress is read the same, and entries keep their
// dress.
func TestPythonLayouts(t *testing.T) {
	t.Parallel()
	frozen, err := os.ReadFile(filepath.Join(frozenPython, fraud.UseCase, fraud.Model, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Parse(frozen)
	if err != nil {
		t.Fatal(err)
	}
	store := pythonstore.At(t, frozenPython)
	want := store.List(store.Open())
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
			s := pythonstore.Copy(t, frozenPython)
			s.Write("registry.json", data)
			r := s.Open()
			if diff := cmp.Diff(want, s.List(r)); diff != "" {
				t.Fatal(diff)
			}
			parsed := s.Document()
			s.Register(r, "2.0.0")
			s.WantInStep()
			for i, e := range parsed.Entries {
				if e.Version != d.Entries[i].Version {
					t.Errorf("entry %d is %s", i, e.Version)
				}
				if diff := cmp.Diff(string(e.Raw), s.RawEntry(e.Version)); diff != "" {
					t.Errorf("%s, which nobody touched:\n%s", e.Version, diff)
				}
			}
			now := s.Document()
			for i, m := range parsed.Head {
				if now.Head[i].Key != m.Key || !bytes.Equal(now.Head[i].Value, m.Value) {
					t.Errorf("top-level key %s became %s: %s", m.Key, now.Head[i].Key, now.Head[i].Value)
				}
			}
			s.Same(r)
		})
	}
}

// Every document that we write begins as Python would write it, key by key.
func TestPythonReadsWhatWeWrite(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), &modelregistry.RegisterOptions{
		Metrics:  map[string]any{"auc": 0.9, "n": 1.0, "i": 1, "small": 1e-7, "big": 1e16, "f32": float32(0.1), "nan": nil},
		Metadata: map[string]any{"text": "ö <&> 😀\x7f\n", "list": []any{}, "map": map[string]any{}, "nested": []any{1, []int{2}}},
		Gates:    modelregistry.MinMetric("auc", 0.5), LineageRunID: "run", ConfigHash: "c0ffee", SourceRevision: "abc", Actor: "me",
	})
	if err != nil {
		t.Fatal(err)
	}
	d := s.Document()
	registered := pythonstore.Member(t, string(d.Entries[0].Raw), "registered_at")
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
	got := string(s.Read("registry.json"))
	if !strings.HasPrefix(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if len(registered) != len(`"2026-11-23T05:30:11.655479+00:00"`) || !strings.HasSuffix(registered, `+00:00"`) {
		t.Errorf("registered at %s", registered)
	}
	s.Promote(r, "1.0.0", modelregistry.Production)
	members, err := pyjson.Object([]byte(s.RawEntry("1.0.0")))
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
			_, err := r.Archive(ctx, fraud.At("1.0.0"), nil)
			return err
		},
		"promote": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), modelregistry.Staging, nil)
			return err
		},
		"demote": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Demote(ctx, fraud.At("1.0.0"), modelregistry.Development, nil)
			return err
		},
		"refusal": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), modelregistry.Staging, &modelregistry.MoveOptions{Gates: modelregistry.MinMetric("auc", 2)})
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
			s := pythonstore.New(t)
			s.Write("registry.json", pythonstore.Document("1.0.0", pythonstore.Entry("1.0.0", "canary")))
			s.WriteTrees("1.0.0")
			r := s.Open()
			if err := move(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			s.Same(r)
		})
	}
}
