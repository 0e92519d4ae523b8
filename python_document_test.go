package modelregistry_test

import (
	"bytes"
	"encoding/json"
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

// The stores in this file have the format of docs/format.md. A Python program,
// an editor and the registry write them in turns.

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
		{Version: "1.2.0", Stage: "staging", Registered: stamp(23), Staged: stamp(24),
			Metrics: `{"auc":0.95,"big":1e+16,"zero":-0.0}`, Metadata: `{"lone":"\ud800"}`, By: "bob"},
		{Version: "1.2.0-rc.1", Stage: "development", Registered: at(23, 7, 0, 0, 0), Metrics: "{}", Metadata: "{}"},
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
		t.Errorf("the file of production holds %q, %v, want \"weights of 1.1.0\\n\"", data, err)
	}
	if note, _ := list[3].Metadata.Get("note"); note != "Größe <b> & \"x\" / 😀\x7f" {
		t.Errorf("the note is %q, want %q", note, "Größe <b> & \"x\" / 😀\x7f")
	}
	for _, leftover := range []string{"history.jsonl", ".lock", ".staging"} {
		if _, err := os.Stat(filepath.Join(frozenPython, fraud.UseCase, fraud.Model, leftover)); err == nil {
			t.Errorf("reading made %s, want no new file", leftover)
		}
	}
}

func TestPythonFrozenStoreKeepsEntriesAfterChanges(t *testing.T) {
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
		t.Errorf("the next version is %s, want 1.2.1", v.Version)
	}
	if diff := cmp.Diff([]string{"import", "register 1.2.1"}, s.Ops()); diff != "" {
		t.Error(diff)
	}
	for version, raw := range before {
		if diff := cmp.Diff(raw, s.RawEntry(version)); diff != "" {
			t.Errorf("the entry of %s, which did not move (-want +got):\n%s", version, diff)
		}
	}
	if ours := s.Read("registry.json"); !bytes.HasPrefix(ours, frozen[:len(frozen)-len("\n  }\n}")]) {
		t.Errorf("the document does not begin with the bytes that Python wrote:\n%s", ours)
	}
	s.WantInStep()
	s.Promote(r, "1.2.0", modelregistry.Production)
	for _, version := range []string{"1.0.0", "1.2.0-rc.1"} {
		if diff := cmp.Diff(before[version], s.RawEntry(version)); diff != "" {
			t.Errorf("the entry of %s, which did not move (-want +got):\n%s", version, diff)
		}
	}
	lines := s.Same(r)
	want := map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0-rc.1": "development", "1.2.0": "production", "1.2.1": "development"}
	if diff := cmp.Diff(want, pythonstore.Stages(lines)); diff != "" {
		t.Error(diff)
	}
	// The predecessor is known from the entries alone: there was no history.
	back, err := r.Rollback(t.Context(), fraud, nil)
	if err != nil || back.Version != "1.1.0" {
		t.Errorf("rolled back to %q, %v, want 1.1.0", back.Version, err)
	}
	s.Same(r)
	// A moved entry keeps every value of its metrics and metadata.
	for _, version := range []string{"1.1.0", "1.2.0"} {
		for _, key := range []string{"metrics", "metadata"} {
			if diff := cmp.Diff(pythonstore.Member(t, before[version], key), pythonstore.Member(t, s.RawEntry(version), key)); diff != "" {
				t.Errorf("%s of %s, which moved (-want +got):\n%s", key, version, diff)
			}
		}
	}
}

// A document with another layout reads the same, and a change keeps the layout
// of the other entries.
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
					t.Errorf("entry %d is %s, want %s", i, e.Version, d.Entries[i].Version)
				}
				if diff := cmp.Diff(string(e.Raw), s.RawEntry(e.Version)); diff != "" {
					t.Errorf("the entry of %s, which did not change (-want +got):\n%s", e.Version, diff)
				}
			}
			now := s.Document()
			for i, m := range parsed.Head {
				if now.Head[i].Key != m.Key || !bytes.Equal(now.Head[i].Value, m.Value) {
					t.Errorf("top-level key %d is %s: %s, want %s: %s", i, now.Head[i].Key, now.Head[i].Value, m.Key, m.Value)
				}
			}
			s.Same(r)
		})
	}
}

// Python reads a number and writes its value, so 0.910 becomes 0.91. That is no
// change, and the version keeps the digits that were registered. An entry that
// Python changed is as Python wrote it.
func TestPythonSpellsNumbersItsOwnWay(t *testing.T) {
	t.Parallel()
	const ours = `{"auc":0.910,"big":1e16,"count":7,"cut":[0.50,{"a":-0}],"rate":1e5}`
	const theirs = `{"auc":0.91,"big":1e+16,"count":7,"cut":[0.5,{"a":0}],"rate":100000.0}`
	for name, tt := range map[string]struct {
		python  func(s *pythonstore.Store)
		change  string // what Verify says of 1.0.0, or the empty string
		foreign int    // events
		metrics string
	}{
		"only written": {python: func(*pythonstore.Store) {}, metrics: ours},
		"promoted": {
			func(s *pythonstore.Store) { s.PythonPromotes("1.0.0", pythonstore.Day3) },
			"1.0.0: stage, promoted_to_prod, promoted_by", 1, theirs,
		},
		"another metric": {
			func(s *pythonstore.Store) {
				s.PythonSets("1.0.0", "metrics", strings.Replace(theirs, `"count":7`, `"count":8`, 1))
			},
			"1.0.0: metrics.count", 1, strings.Replace(theirs, `"count":7`, `"count":8`, 1),
		},
		"a float in place of an integer": {
			func(s *pythonstore.Store) {
				s.PythonSets("1.0.0", "metrics", strings.Replace(theirs, `"count":7`, `"count":7.0`, 1))
			},
			"1.0.0: metrics.count", 1, strings.Replace(theirs, `"count":7`, `"count":7.0`, 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			num := func(digits string) json.Number { return json.Number(digits) }
			if _, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), &modelregistry.RegisterOptions{Metrics: map[string]any{
				"auc": num("0.910"), "big": num("1e16"), "count": 7, "cut": []any{num("0.50"), map[string]any{"a": num("-0")}}, "rate": num("1e5"),
			}}); err != nil {
				t.Fatal(err)
			}
			s.PythonSets("1.0.0", "metrics", theirs)
			tt.python(s)

			report, err := r.Verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var change string
			for _, f := range report.Findings {
				if f.Err != nil {
					change = f.Err.Error()
				}
			}
			if change != tt.change {
				t.Errorf("Verify reports %v, want the change %q", report.Findings, tt.change)
			}
			if got := s.List(r)[0].Metrics; got != tt.metrics {
				t.Errorf("the metrics are %s, want %s", got, tt.metrics)
			}
			s.Register(r, "2.0.0") // records the change
			if got := s.ForeignEvents(r); len(got) != tt.foreign {
				t.Errorf("the history has the external changes %+v, want %d", got, tt.foreign)
			}
			if got := s.Same(r)[1].Metrics; got != tt.metrics {
				t.Errorf("after the next change the metrics are %s, want %s", got, tt.metrics)
			}
			s.WantInStep()
			s.WantSound()
		})
	}
}

// The registry's document begins with what Python would write, byte for byte.
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
		t.Errorf("registered_at is %s, want the form \"2026-11-23T05:30:11.655479+00:00\"", registered)
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
