package modelregistry_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// A second production version that another program makes beside a history is
// archived, too.
func TestPythonTwoProductionsUnderHistory(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		s.Register(r, v)
	}
	s.Promote(r, "1.0.0", modelregistry.Production)
	s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
		for v, when := range map[string]string{"1.1.0": "2099-01-02T00:00:00+00:00", "1.2.0": "2099-01-01T00:00:00+00:00"} {
			entries[v]["stage"], entries[v]["promoted_to_prod"] = `"production"`, string(pyjson.Quote(when))
		}
	})
	want := map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "archived"}
	if diff := cmp.Diff(want, pythonstore.Stages(s.List(r))); diff != "" {
		t.Error(diff)
	}
	s.Register(r, "1.3.0")
	want["1.3.0"] = "development"
	if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
		t.Error(diff)
	}
	for _, e := range s.Document().Entries {
		if got := strings.Trim(pythonstore.Member(t, string(e.Raw), "stage"), `"`); got != want[e.Version] {
			t.Errorf("the document has %s in %s, want %s", e.Version, got, want[e.Version])
		}
	}
}

// Python and we write in turns.
func TestPythonInTurns(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{true, false} {
		t.Run(fmt.Sprintf("held=%t", held), func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			one := s.Open()
			reg := func() *modelregistry.ModelRegistry {
				if held {
					return one
				}
				return s.Open()
			}
			s.Register(reg(), "1.0.0")
			s.Register(reg(), "1.1.0")
			s.Promote(reg(), "1.0.0", modelregistry.Production)
			s.PythonPromotes("1.1.0", "2099-01-01T00:00:00.000001+00:00")
			if d := s.Document(); d.Mark != nil {
				t.Fatal("the emulated Python kept our key")
			}
			want := map[string]string{"1.0.0": "archived", "1.1.0": "production"}
			if diff := cmp.Diff(want, pythonstore.Stages(s.List(reg()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			foreign := s.Read("registry.json")
			s.Register(reg(), "1.2.0")
			want["1.2.0"] = "development"
			if diff := cmp.Diff(want, pythonstore.Stages(s.Same(reg()))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.WantInStep()
			ours := s.Read("registry.json")
			if !bytes.HasPrefix(ours, foreign[:len(foreign)-len("\n  }\n}")]) {
				t.Errorf("Python's entries did not keep their bytes:\n%s", cmp.Diff(string(foreign), string(ours)))
			}
			s.PythonRegisters("1.3.0")
			s.PythonPromotes("1.3.0", "2099-01-02T00:00:00+00:00")
			s.Promote(reg(), "1.2.0", modelregistry.Staging)
			s.PythonRegisters("1.4.0")
			v, err := reg().Register(t.Context(), fraud, pythonstore.Artifact("auto"), nil)
			if err != nil || v.Version != "1.4.1" {
				t.Errorf("the next version is %q, %v", v.Version, err)
			}
			ops := []string{"register 1.0.0", "register 1.1.0", "promote 1.0.0", "foreign", "register 1.2.0", "foreign", "promote 1.2.0", "foreign", "register 1.4.1"}
			if diff := cmp.Diff(ops, s.Ops()); diff != "" {
				t.Error(diff)
			}
			want = map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "staging", "1.3.0": "production", "1.4.0": "development", "1.4.1": "development"}
			lines := s.Same(reg())
			if diff := cmp.Diff(want, pythonstore.Stages(lines)); diff != "" {
				t.Error(diff)
			}
			s.WantInStep()
			for _, l := range lines {
				if l.Version == "1.0.0" && l.RegisteredBy != "go" {
					t.Errorf("1.0.0 lost who registered it: %+v", l)
				}
				if l.Version == "1.3.0" && (l.By != "py" || l.Metrics != `{"auc":0.25,"psi":NaN}`) {
					t.Errorf("1.3.0 is %+v", l)
				}
			}
			back, err := reg().Rollback(t.Context(), fraud, nil)
			if err != nil || back.Version != "1.1.0" {
				t.Errorf("rolled back to %q, %v; 1.1.0 was in production before 1.3.0", back.Version, err)
			}
			s.Same(reg())
		})
	}
}

// Python wrote a document that lagged behind the history. No change of either
// side is lost.
func TestPythonWroteOnALaggingDocument(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		last  func(s *pythonstore.Store, r *modelregistry.ModelRegistry) // our change that the document never saw
		alter func(s *pythonstore.Store)
		want  map[string]string
	}{
		{"we register, Python promotes",
			func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Register(r, "1.2.0") },
			func(s *pythonstore.Store) { s.PythonPromotes("1.1.0", "2099-01-01T00:00:00+00:00") },
			map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development"}},
		{"we promote, Python registers",
			func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
				s.Promote(r, "1.1.0", modelregistry.Production)
			},
			func(s *pythonstore.Store) { s.PythonRegisters("1.3.0") },
			map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.3.0": "development"}},
		{"we promote, Python stages the same",
			func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
				s.Promote(r, "1.1.0", modelregistry.Production)
			},
			func(s *pythonstore.Store) {
				s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
					entries["1.1.0"]["stage"], entries["1.1.0"]["promoted_to_staging"] = `"staging"`, `"2099-01-01T00:00:00+00:00"`
				})
			},
			map[string]string{"1.0.0": "archived", "1.1.0": "staging"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			s.Register(r, "1.1.0")
			s.Promote(r, "1.0.0", modelregistry.Production)
			lagging := s.Read("registry.json")
			tt.last(s, r)
			s.Write("registry.json", lagging)
			if diff := cmp.Diff(s.List(r), s.List(s.Open())); diff != "" {
				t.Errorf("a document that lags reads otherwise:\n%s", diff)
			}
			tt.alter(s)
			if diff := cmp.Diff(tt.want, pythonstore.Stages(s.List(s.Open()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			s.Register(s.Open(), "9.0.0")
			tt.want["9.0.0"] = "development"
			if diff := cmp.Diff(tt.want, pythonstore.Stages(s.Same(r))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.WantInStep()
			if ops := s.Ops(); ops[len(ops)-2] != "foreign" {
				t.Errorf("the history is %q", ops)
			}
		})
	}
}

// A checkpoint that failed, once or more, is not taken for one that was
// written.
func TestPythonWroteAfterFailedCheckpoints(t *testing.T) {
	t.Parallel()
	for failures := 1; failures <= 3; failures++ {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			hourAgo := time.Now().Add(-time.Hour) // no stat takes it for freshly written
			if err := os.Chtimes(s.Path("registry.json"), hourAgo, hourAgo); err != nil {
				t.Fatal(err)
			}
			s.List(r)
			s.BlockCheckpoint()
			want := map[string]string{"1.0.0": "production"}
			for i := range failures {
				v := fmt.Sprintf("1.0.%d", i+1)
				s.Register(r, v)
				want[v] = "development"
			}
			if d := s.Document(); len(d.Entries) != 1 {
				t.Fatal("the checkpoint did not fail")
			}
			s.UnblockCheckpoint()
			s.PythonPromotes("1.0.0", "2099-01-01T00:00:00+00:00")
			if diff := cmp.Diff(want, pythonstore.Stages(s.List(s.Open()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			s.Register(s.Open(), "2.0.0")
			want["2.0.0"] = "development"
			if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.WantInStep()
		})
	}
}

// An editor keeps our key. The checksum in it shows the edit.
func TestPythonEditorKeepsOurKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		old, new string
		want     map[string]string
	}{
		{"a stage", `"stage": "development"`, `"stage": "staging"`, map[string]string{"1.0.0": "staging", "1.1.0": "staging"}},
		{"an entry taken out", `"1.1.0": {`, "", map[string]string{"1.0.0": "development"}},
		{"white space", `"stage": "development"`, `"stage":  "development"`, map[string]string{"1.0.0": "development", "1.1.0": "development"}},
		{"a top-level key", "{\n  \"model_name\"", "{\n  \"owner\": \"team\",\n  \"model_name\"", map[string]string{"1.0.0": "development", "1.1.0": "development"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			s.Register(r, "1.1.0")
			data := s.Read("registry.json")
			if tt.new == "" {
				d := s.Document()
				start := bytes.Index(data, []byte(",\n    "+tt.old))
				end := start + len(",\n    \"1.1.0\": ") + len(d.Entries[1].Raw)
				data = slices.Delete(data, start, end)
			} else {
				data = bytes.ReplaceAll(data, []byte(tt.old), []byte(tt.new))
			}
			s.Write("registry.json", data)
			if d := s.Document(); d.Mark == nil || d.Intact {
				t.Fatalf("mark %v, intact %t", d.Mark, d.Intact)
			}
			if diff := cmp.Diff(tt.want, pythonstore.Stages(s.List(s.Open()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			s.Register(r, "1.2.0")
			tt.want["1.2.0"] = "development"
			if diff := cmp.Diff(tt.want, pythonstore.Stages(s.Same(r))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.WantInStep()
			if !slices.Contains(s.Ops(), "foreign") {
				t.Errorf("the history has no event of the external change: %q", s.Ops())
			}
			if tt.name == "a top-level key" && !bytes.HasPrefix(s.Read("registry.json"), []byte("{\n  \"owner\": \"team\",\n")) {
				t.Errorf("the key is gone:\n%s", s.Read("registry.json"))
			}
			if _, err := r.Register(t.Context(), fraud, pythonstore.Artifact("again"), &modelregistry.RegisterOptions{Version: "1.1.0"}); !errors.Is(err, modelregistry.ErrExists) {
				t.Errorf("a number that was given out before: %v", err)
			}
		})
	}
}

// One registry records a change by an editor. Another one, which had the model
// in memory, does not overwrite that change.
func TestEditSurvivesARegistryWithAnOlderState(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	first, second := s.Open(), s.Open()
	s.Register(first, "1.0.0")
	s.List(second)
	edited := bytes.Replace(s.Read("registry.json"), []byte("{\n"), []byte("{\n  \"owner\": \"team\",\n"), 1)
	edited = bytes.Replace(edited, []byte(`"stage": "development"`), []byte(`"stage" :  "staging"`), 1)
	s.Write("registry.json", edited)
	s.Register(first, "1.1.0")
	taken := s.RawEntry("1.0.0")
	if !strings.Contains(taken, `"stage" :  "staging"`) {
		t.Errorf("the layout of the edited entry was changed:\n%s", taken)
	}
	s.Register(second, "1.2.0")
	data := s.Read("registry.json")
	if !bytes.Contains(data, []byte(`"owner": "team"`)) {
		t.Errorf("the editor's top-level key is gone:\n%s", data)
	}
	if diff := cmp.Diff(taken, s.RawEntry("1.0.0")); diff != "" {
		t.Errorf("an entry that the operation did not touch:\n%s", diff)
	}
	s.Same(first)
}

// Python changes an entry, we register versions, and Python sets the entry
// back: the latest change counts.
func TestPythonRevertsAnEntry(t *testing.T) {
	t.Parallel()
	for between := 1; between <= 2; between++ {
		t.Run(fmt.Sprint(between), func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			s.Register(r, "1.1.0")
			original := s.RawEntry("1.0.0")
			set := func(stage string) {
				s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
					entries["1.0.0"]["stage"] = string(pyjson.Quote(stage))
				})
			}
			set("staging")
			for i := range between {
				s.Register(r, fmt.Sprintf("1.2.%d", i))
			}
			if got := pythonstore.Stages(s.Same(r))["1.0.0"]; got != "staging" {
				t.Fatalf("1.0.0 is in %s", got)
			}
			set("development")
			if diff := cmp.Diff(original, s.RawEntry("1.0.0")); diff != "" {
				t.Fatalf("the entry is not what it was:\n%s", diff)
			}
			if got := pythonstore.Stages(s.List(s.Open()))["1.0.0"]; got != "development" {
				t.Errorf("1.0.0 is in %s; Python put it back to development", got)
			}
			s.Register(r, "1.4.0")
			if got := pythonstore.Stages(s.Same(r))["1.0.0"]; got != "development" {
				t.Errorf("1.0.0 is in %s; Python put it back to development", got)
			}
		})
	}
}
