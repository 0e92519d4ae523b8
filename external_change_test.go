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
)

// A second production version that another program makes beside a history is
// archived, too.
func TestPythonTwoProductionsUnderHistory(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	r := s.open()
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		s.register(r, v)
	}
	s.promote(r, "1.0.0", modelregistry.Production)
	s.pyWrite(func(entries map[string]map[string]string, _ *[]string) {
		for v, when := range map[string]string{"1.1.0": "2099-01-02T00:00:00+00:00", "1.2.0": "2099-01-01T00:00:00+00:00"} {
			entries[v]["stage"], entries[v]["promoted_to_prod"] = `"production"`, string(pyjson.Quote(when))
		}
	})
	want := map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "archived"}
	if diff := cmp.Diff(want, pyStages(s.list(r))); diff != "" {
		t.Error(diff)
	}
	s.register(r, "1.3.0")
	want["1.3.0"] = "development"
	if diff := cmp.Diff(want, pyStages(s.same(r))); diff != "" {
		t.Error(diff)
	}
	for _, e := range s.document().Entries {
		if got := strings.Trim(pyMember(t, string(e.Raw), "stage"), `"`); got != want[e.Version] {
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
			s := pyNewStore(t)
			one := s.open()
			reg := func() *modelregistry.ModelRegistry {
				if held {
					return one
				}
				return s.open()
			}
			s.register(reg(), "1.0.0")
			s.register(reg(), "1.1.0")
			s.promote(reg(), "1.0.0", modelregistry.Production)
			s.pyPromote("1.1.0", "2099-01-01T00:00:00.000001+00:00")
			if d := s.document(); d.Mark != nil {
				t.Fatal("the emulated Python kept our key")
			}
			want := map[string]string{"1.0.0": "archived", "1.1.0": "production"}
			if diff := cmp.Diff(want, pyStages(s.list(reg()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			foreign := s.read("registry.json")
			s.register(reg(), "1.2.0")
			want["1.2.0"] = "development"
			if diff := cmp.Diff(want, pyStages(s.same(reg()))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.inStep()
			ours := s.read("registry.json")
			if !bytes.HasPrefix(ours, foreign[:len(foreign)-len("\n  }\n}")]) {
				t.Errorf("Python's entries did not keep their bytes:\n%s", cmp.Diff(string(foreign), string(ours)))
			}
			s.pyRegister("1.3.0")
			s.pyPromote("1.3.0", "2099-01-02T00:00:00+00:00")
			s.promote(reg(), "1.2.0", modelregistry.Staging)
			s.pyRegister("1.4.0")
			v, err := reg().Register(t.Context(), pyName, pyArtifact("auto"), nil)
			if err != nil || v.Version != "1.4.1" {
				t.Errorf("the next version is %q, %v", v.Version, err)
			}
			ops := []string{"register 1.0.0", "register 1.1.0", "promote 1.0.0", "foreign", "register 1.2.0", "foreign", "promote 1.2.0", "foreign", "register 1.4.1"}
			if diff := cmp.Diff(ops, s.ops()); diff != "" {
				t.Error(diff)
			}
			want = map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "staging", "1.3.0": "production", "1.4.0": "development", "1.4.1": "development"}
			lines := s.same(reg())
			if diff := cmp.Diff(want, pyStages(lines)); diff != "" {
				t.Error(diff)
			}
			s.inStep()
			for _, l := range lines {
				if l.Version == "1.0.0" && l.RegisteredBy != "go" {
					t.Errorf("1.0.0 lost who registered it: %+v", l)
				}
				if l.Version == "1.3.0" && (l.By != "py" || l.Metrics != `{"auc":0.25,"psi":NaN}`) {
					t.Errorf("1.3.0 is %+v", l)
				}
			}
			back, err := reg().Rollback(t.Context(), pyName, nil)
			if err != nil || back.Version != "1.1.0" {
				t.Errorf("rolled back to %q, %v; 1.1.0 was in production before 1.3.0", back.Version, err)
			}
			s.same(reg())
		})
	}
}

// Python wrote a document that lagged behind the history. No change of either
// side is lost.
func TestPythonWroteOnALaggingDocument(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		last  func(s *pyStore, r *modelregistry.ModelRegistry) // our change that the document never saw
		alter func(s *pyStore)
		want  map[string]string
	}{
		{"we register, Python promotes",
			func(s *pyStore, r *modelregistry.ModelRegistry) { s.register(r, "1.2.0") },
			func(s *pyStore) { s.pyPromote("1.1.0", "2099-01-01T00:00:00+00:00") },
			map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "development"}},
		{"we promote, Python registers",
			func(s *pyStore, r *modelregistry.ModelRegistry) { s.promote(r, "1.1.0", modelregistry.Production) },
			func(s *pyStore) { s.pyRegister("1.3.0") },
			map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.3.0": "development"}},
		{"we promote, Python stages the same",
			func(s *pyStore, r *modelregistry.ModelRegistry) { s.promote(r, "1.1.0", modelregistry.Production) },
			func(s *pyStore) {
				s.pyWrite(func(entries map[string]map[string]string, _ *[]string) {
					entries["1.1.0"]["stage"], entries["1.1.0"]["promoted_to_staging"] = `"staging"`, `"2099-01-01T00:00:00+00:00"`
				})
			},
			map[string]string{"1.0.0": "archived", "1.1.0": "staging"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			r := s.open()
			s.register(r, "1.0.0")
			s.register(r, "1.1.0")
			s.promote(r, "1.0.0", modelregistry.Production)
			lagging := s.read("registry.json")
			tt.last(s, r)
			s.write("registry.json", lagging)
			if diff := cmp.Diff(s.list(r), s.list(s.open())); diff != "" {
				t.Errorf("a document that lags reads otherwise:\n%s", diff)
			}
			tt.alter(s)
			if diff := cmp.Diff(tt.want, pyStages(s.list(s.open()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			s.register(s.open(), "9.0.0")
			tt.want["9.0.0"] = "development"
			if diff := cmp.Diff(tt.want, pyStages(s.same(r))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.inStep()
			if ops := s.ops(); ops[len(ops)-2] != "foreign" {
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
			s := pyNewStore(t)
			r := s.open()
			s.register(r, "1.0.0")
			hourAgo := time.Now().Add(-time.Hour) // no stat takes it for freshly written
			if err := os.Chtimes(s.path("registry.json"), hourAgo, hourAgo); err != nil {
				t.Fatal(err)
			}
			s.list(r)
			s.blockCheckpoint()
			want := map[string]string{"1.0.0": "production"}
			for i := range failures {
				v := fmt.Sprintf("1.0.%d", i+1)
				s.register(r, v)
				want[v] = "development"
			}
			if d := s.document(); len(d.Entries) != 1 {
				t.Fatal("the checkpoint did not fail")
			}
			s.unblockCheckpoint()
			s.pyPromote("1.0.0", "2099-01-01T00:00:00+00:00")
			if diff := cmp.Diff(want, pyStages(s.list(s.open()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			s.register(s.open(), "2.0.0")
			want["2.0.0"] = "development"
			if diff := cmp.Diff(want, pyStages(s.same(r))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.inStep()
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
			s := pyNewStore(t)
			r := s.open()
			s.register(r, "1.0.0")
			s.register(r, "1.1.0")
			data := s.read("registry.json")
			if tt.new == "" {
				d := s.document()
				start := bytes.Index(data, []byte(",\n    "+tt.old))
				end := start + len(",\n    \"1.1.0\": ") + len(d.Entries[1].Raw)
				data = slices.Delete(data, start, end)
			} else {
				data = bytes.ReplaceAll(data, []byte(tt.old), []byte(tt.new))
			}
			s.write("registry.json", data)
			if d := s.document(); d.Mark == nil || d.Intact {
				t.Fatalf("mark %v, intact %t", d.Mark, d.Intact)
			}
			if diff := cmp.Diff(tt.want, pyStages(s.list(s.open()))); diff != "" {
				t.Errorf("read before we write:\n%s", diff)
			}
			s.register(r, "1.2.0")
			tt.want["1.2.0"] = "development"
			if diff := cmp.Diff(tt.want, pyStages(s.same(r))); diff != "" {
				t.Errorf("read after we wrote:\n%s", diff)
			}
			s.inStep()
			if !slices.Contains(s.ops(), "foreign") {
				t.Errorf("the history has no event of the external change: %q", s.ops())
			}
			if tt.name == "a top-level key" && !bytes.HasPrefix(s.read("registry.json"), []byte("{\n  \"owner\": \"team\",\n")) {
				t.Errorf("the key is gone:\n%s", s.read("registry.json"))
			}
			if _, err := r.Register(t.Context(), pyName, pyArtifact("again"), &modelregistry.RegisterOptions{Version: "1.1.0"}); !errors.Is(err, modelregistry.ErrExists) {
				t.Errorf("a number that was given out before: %v", err)
			}
		})
	}
}

// One registry records a change by an editor. Another one, which had the model
// in memory, does not overwrite that change.
func TestPythonEditSurvivesARegistryThatLooksAway(t *testing.T) {
	t.Parallel()
	s := pyNewStore(t)
	first, second := s.open(), s.open()
	s.register(first, "1.0.0")
	s.list(second)
	edited := bytes.Replace(s.read("registry.json"), []byte("{\n"), []byte("{\n  \"owner\": \"team\",\n"), 1)
	edited = bytes.Replace(edited, []byte(`"stage": "development"`), []byte(`"stage" :  "staging"`), 1)
	s.write("registry.json", edited)
	s.register(first, "1.1.0")
	taken := s.rawEntry("1.0.0")
	if !strings.Contains(taken, `"stage" :  "staging"`) {
		t.Errorf("the layout of the edited entry was changed:\n%s", taken)
	}
	s.register(second, "1.2.0")
	data := s.read("registry.json")
	if !bytes.Contains(data, []byte(`"owner": "team"`)) {
		t.Errorf("the editor's top-level key is gone:\n%s", data)
	}
	if diff := cmp.Diff(taken, s.rawEntry("1.0.0")); diff != "" {
		t.Errorf("an entry that the operation did not touch:\n%s", diff)
	}
	s.same(first)
}

// Python changes an entry, we register versions, and Python sets the entry
// back: the latest change counts.
func TestPythonRevertsAnEntry(t *testing.T) {
	t.Parallel()
	for between := 1; between <= 2; between++ {
		t.Run(fmt.Sprint(between), func(t *testing.T) {
			t.Parallel()
			s := pyNewStore(t)
			r := s.open()
			s.register(r, "1.0.0")
			s.register(r, "1.1.0")
			original := s.rawEntry("1.0.0")
			set := func(stage string) {
				s.pyWrite(func(entries map[string]map[string]string, _ *[]string) {
					entries["1.0.0"]["stage"] = string(pyjson.Quote(stage))
				})
			}
			set("staging")
			for i := range between {
				s.register(r, fmt.Sprintf("1.2.%d", i))
			}
			if got := pyStages(s.same(r))["1.0.0"]; got != "staging" {
				t.Fatalf("1.0.0 is in %s", got)
			}
			set("development")
			if diff := cmp.Diff(original, s.rawEntry("1.0.0")); diff != "" {
				t.Fatalf("the entry is not what it was:\n%s", diff)
			}
			if got := pyStages(s.list(s.open()))["1.0.0"]; got != "development" {
				t.Errorf("1.0.0 is in %s; Python put it back to development", got)
			}
			s.register(r, "1.4.0")
			if got := pyStages(s.same(r))["1.0.0"]; got != "development" {
				t.Errorf("1.0.0 is in %s; Python put it back to development", got)
			}
		})
	}
}
