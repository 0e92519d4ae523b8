package modelregistry_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// pythonSetsGates ends a document that Python wrote with the model's gates, as
// Ubunye does since 0.7, on one line each.
func pythonSetsGates(s *pythonstore.Store, gates string) {
	s.T.Helper()
	doc := strings.TrimSuffix(string(s.Read("registry.json")), "\n}")
	s.Write("registry.json", []byte(doc+",\n  \"promotion_gates\": "+string(pyjson.Indent(nil, []byte(gates), "  "))+"\n}"))
}

// pythonModel is a store by Ubunye 0.8: versions with an auc of 0.25, and a
// model's gates.
func pythonModel(t *testing.T, gates string, versions ...string) *pythonstore.Store {
	t.Helper()
	s := pythonstore.New(t)
	s.Write("registry.json", pythonstore.Document())
	for _, v := range versions {
		s.PythonRegisters(v)
	}
	pythonSetsGates(s, gates)
	return s
}

// modelGates returns the model's gates as registries see them, which must
// agree: one that read the model before, a fresh one, and one without the
// document.
func modelGates(s *pythonstore.Store, held *mr.ModelRegistry, version string) string {
	s.T.Helper()
	dir := s.T.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.Dir)); err != nil {
		s.T.Fatal(err)
	}
	replayed := pythonstore.At(s.T, dir)
	var list []string
	look := func(r *mr.ModelRegistry) {
		v, err := r.GetVersion(s.T.Context(), fraud.At(version))
		if err != nil {
			s.T.Fatal(err)
		}
		list = append(list, mustJSON(s.T, v.ModelGates))
	}
	look(held)
	look(s.Open())
	if _, err := os.Stat(replayed.Path("history.jsonl")); err == nil {
		replayed.Register(replayed.Open(), "9.9.9") // which records what is to be recorded
		replayed.Remove("registry.json")
		look(replayed.Open())
	}
	if len(slices.Compact(slices.Clone(list))) > 1 {
		s.T.Errorf("held, fresh and replayed, the model's gates are %q", list)
	}
	return list[0]
}

// refusedBy returns the gates that held a promotion back.
func refusedBy(t testing.TB, err error) (names []string) {
	t.Helper()
	var refused *mr.GateError
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("got error %v, want a *GateError or none", err)
	}
	if refused != nil {
		for _, f := range refused.Failed() {
			names = append(names, f.Name)
		}
	}
	return names
}

// The gates that Ubunye stores for a model apply to each promotion of each
// version, together with those of the version and of the call.
func TestModelGatesHoldForEveryVersion(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{"min_auc": 0.4, "require_drift_check": false, "max_loss": 1}`, "1.0.0")
	r := s.Open()
	for name, o := range map[string]mr.RegisterOptions{
		"1.0.1": {Metrics: map[string]any{"auc": 0.3, "loss": 0.5}},
		"1.0.2": {Metrics: map[string]any{"auc": 0.5, "loss": 0.5, "f1": 0.5}, Gates: mr.MinMetric("f1", 0.6)},
		"1.0.3": {Metrics: map[string]any{"auc": 0.5, "loss": 0.5, "f1": 0.7}, Gates: mr.MinMetric("f1", 0.6)},
	} {
		o.Version = name
		if _, err := r.Register(t.Context(), fraud, artifact(), &o); err != nil {
			t.Fatal(err)
		}
	}
	if got := modelGates(s, r, "1.0.1"); got != `{"max_loss":1,"min_auc":0.4}` {
		t.Errorf("the model's gates are %s", got)
	}
	for _, c := range []struct {
		version string
		passed  mr.PromotionGate
		want    []string
	}{
		{"1.0.0", mr.PromotionGate{}, []string{"max_loss", "min_auc"}},
		{"1.0.0", mr.MinMetric("auc", 0.1), []string{"max_loss", "min_auc"}},
		{"1.0.1", mr.PromotionGate{}, []string{"min_auc"}},
		{"1.0.1", mr.MinMetric("auc", 0.1), []string{"min_auc"}},
		{"1.0.1", mr.MinMetric("f1", 0.1), []string{"min_auc", "min_f1"}},
		{"1.0.2", mr.PromotionGate{}, []string{"min_f1"}},
		{"1.0.3", mr.MaxMetric("loss", 0.1), []string{"max_loss"}},
		{"1.0.3", mr.PromotionGate{}, nil},
	} {
		for name, r := range map[string]*mr.ModelRegistry{"held": r, "fresh": s.Open()} {
			for _, to := range []mr.ModelStage{mr.Staging, mr.Production} {
				_, err := r.Promote(t.Context(), fraud.At(c.version), to, &mr.MoveOptions{Gates: c.passed})
				if diff := cmp.Diff(c.want, refusedBy(t, err)); diff != "" {
					t.Errorf("%s: %s to %s (-want +got):\n%s", name, c.version, to, diff)
				}
				if c.want == nil {
					if _, err := r.Demote(t.Context(), fraud.At(c.version), mr.Development, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	// Rollback and SkipGates look at no gate, as they do at no other.
	if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Production, &mr.MoveOptions{SkipGates: true}); err != nil {
		t.Error(err)
	}
	for e, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{Newest: true}) {
		if err != nil || !e.SkippedGates {
			t.Errorf("the history does not say that gates were skipped: %+v, %v", e, err)
		}
		break
	}
	if _, err := r.RollbackTo(t.Context(), fraud.At("1.0.3"), nil); err != nil {
		t.Error(err)
	}
}

// A promotion notices if the model's gates change while it checks the version.
func TestModelGatesChangeWhileAVersionIsChecked(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{}`, "1.0.0")
	r := s.Open()
	asked := 0
	gate := mr.GateOf("asked", func(context.Context, mr.ModelVersion) error {
		if asked++; asked == 1 {
			s.PythonRegisters("1.0.1")
			pythonSetsGates(s, `{"min_auc": 0.9}`)
		}
		return nil
	})
	_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: gate})
	if diff := cmp.Diff([]string{"min_auc"}, refusedBy(t, err)); diff != "" || asked != 2 {
		t.Errorf("asked %d times, refused by (-want +got):\n%s", asked, diff)
	}
}

// The key stays as Ubunye wrote it. If the document is lost, the history
// restores the key in its place.
func TestModelGatesComeBackFromTheHistory(t *testing.T) {
	t.Parallel()
	const gates = `{"max_psi": 0.20, "min_auc": 1e-01, "require_drift_check": false, "later": {"a": [1, NaN], "é": 1.50}}`
	tail := ",\n  \"promotion_gates\": " + string(pyjson.Indent(nil, pyjson.Compact(nil, []byte(gates)), "  ")) + ",\n  \"modelregistry\": {\n    \"format\": 2,\n"
	repair := func(s *pythonstore.Store) {
		report, err := s.Open().Repair(s.T.Context(), fraud, &mr.RepairOptions{Apply: true})
		if err != nil || len(report.Actions) == 0 {
			s.T.Fatalf("%+v, %v", report, err)
		}
	}
	for name, lose := range map[string]func(s *pythonstore.Store){
		"nothing":                           func(s *pythonstore.Store) {},
		"document":                          func(s *pythonstore.Store) { s.Remove("registry.json") },
		"history":                           func(s *pythonstore.Store) { s.Remove("history.jsonl") },
		"document, repaired":                func(s *pythonstore.Store) { s.Remove("registry.json"); repair(s) },
		"document damaged, repaired":        func(s *pythonstore.Store) { s.Write("registry.json", []byte("{")); repair(s) },
		"history, repaired":                 func(s *pythonstore.Store) { s.Remove("history.jsonl"); repair(s) },
		"the key, by Ubunye before 0.7":     func(s *pythonstore.Store) { s.PythonRegisters("1.0.7") },
		"the key, by an older one repaired": func(s *pythonstore.Store) { s.PythonRegisters("1.0.7"); repair(s) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonModel(t, gates, "1.0.0")
			r := s.Open()
			s.Register(r, "1.0.1")
			s.Register(r, "1.0.2")
			if doc := string(s.Read("registry.json")); !strings.Contains(doc, tail) {
				t.Fatalf("the key is not as Ubunye wrote it:\n%s", doc)
			}
			lose(s)
			again := s.Open()
			_, err := again.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil)
			if diff := cmp.Diff([]string{"later", "max_psi"}, refusedBy(t, err)); diff != "" {
				t.Errorf("refused by (-want +got):\n%s", diff)
			}
			if doc := string(s.Read("registry.json")); !strings.Contains(doc, tail) {
				t.Errorf("the key did not come back:\n%s", doc)
			}
			modelGates(s, r, "1.0.1")
		})
	}
}

// Whichever line of the history is damaged, the gates survive a repair if the
// document is up to date.
func TestModelGatesSurviveDamage(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{"min_auc": 0.4}`, "1.0.0")
	r := s.Open()
	s.Register(r, "1.0.1")
	s.PythonRegisters("1.0.2")
	pythonSetsGates(s, `{"min_auc": 0.6}`)
	s.Register(r, "1.0.3")
	log := strings.SplitAfter(strings.TrimSuffix(string(s.Read("history.jsonl")), "\n"), "\n")
	for i := range log {
		for _, lost := range []bool{false, true} {
			copied := pythonstore.At(t, t.TempDir())
			if err := os.CopyFS(copied.Dir, os.DirFS(s.Dir)); err != nil {
				t.Fatal(err)
			}
			lines := slices.Clone(log)
			lines[i] = strings.Replace(lines[i], `"id":"`, `"id":"x`, 1)
			if lost {
				lines[i] = strings.Replace(lines[i], `"id":`, `"id"`, 1)
			}
			copied.Write("history.jsonl", []byte(strings.Join(lines, "")))
			if _, err := copied.Open().Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
				t.Fatal(err)
			}
			if got := modelGates(copied, copied.Open(), "1.0.0"); got != `{"min_auc":0.6}` {
				t.Errorf("line %d damaged, lost %t: the gates are %s", i+1, lost, got)
			}
		}
	}
}

// A change of the key by another program counts, unless that program dropped
// the key.
func TestModelGatesAreTheOtherPrograms(t *testing.T) {
	t.Parallel()
	set := func(gates string) func(s *pythonstore.Store) {
		return func(s *pythonstore.Store) { s.PythonRegisters("1.0.5"); pythonSetsGates(s, gates) }
	}
	for name, c := range map[string]struct {
		change func(s *pythonstore.Store)
		want   string
		event  string // what the history's last foreign event says of the model
	}{
		"other gates":        {set(`{"max_loss": 1.0}`), `{"max_loss":1.0}`, `{"promotion_gates":{"max_loss":1.0}}`},
		"none any more":      {set(`{}`), `{}`, `{"promotion_gates":{}}`},
		"null":               {set(`null`), `{}`, `{"promotion_gates":null}`},
		"the same":           {set(`{"min_auc": 0.4}`), `{"min_auc":0.4}`, ""},
		"the key is dropped": {func(s *pythonstore.Store) { s.PythonRegisters("1.0.5") }, `{"min_auc":0.4}`, ""},
		"an editor": {func(s *pythonstore.Store) {
			s.Write("registry.json", []byte(strings.Replace(string(s.Read("registry.json")), "\"min_auc\": 0.4\n", "\"min_auc\": 0.6\n", 1)))
		}, `{"min_auc":0.6}`, `{"promotion_gates":{"min_auc":0.6}}`},
		"a list": {set(`[1]`), `{"promotion_gates":[1]}`, `{"promotion_gates":[1]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonModel(t, `{"min_auc": 0.4}`, "1.0.0")
			r := s.Open()
			s.Register(r, "1.0.1")
			c.change(s)
			shown := func() (shown string) {
				for e, err := range s.Open().History(t.Context(), fraud, nil) {
					if err != nil {
						t.Fatal(err)
					}
					if e.Op == mr.OpForeign && e.ModelGates != nil {
						shown = mustJSON(t, e.ModelGates)
					}
				}
				return shown
			}
			wantShown := c.want
			if c.event == "" {
				wantShown = ""
			}
			if got := shown(); got != wantShown {
				t.Errorf("not yet recorded, the history shows %q, want %q", got, wantShown)
			}
			if got := modelGates(s, r, "1.0.0"); got != c.want {
				t.Errorf("the gates are %s, want %s", got, c.want)
			}
			s.Register(r, "1.0.6")
			if got := modelGates(s, r, "1.0.0"); got != c.want {
				t.Errorf("recorded, the gates are %s, want %s", got, c.want)
			}
			recorded := ""
			for line := range strings.Lines(string(s.Read("history.jsonl"))) {
				if strings.Contains(line, `"op":"foreign"`) {
					_, model, _ := strings.Cut(line, `"model":`)
					recorded, _, _ = strings.Cut(model, `,"document"`)
				}
			}
			if recorded != c.event {
				t.Errorf("the foreign event says %q, want %q", recorded, c.event)
			}
			if got := shown(); got != wantShown {
				t.Errorf("the history shows %q, want %q", got, wantShown)
			}
		})
	}
}

// If the gates of a model can't be read, no version is promoted, and Verify
// reports it.
func TestModelGatesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for gates, names := range map[string][]string{
		`{"mim_auc": 0.1}`:                            {"mim_auc"},
		`{"min_auc": "0.1"}`:                          {"min_auc"},
		`{"min_auc": NaN}`:                            {"min_auc"},
		`{"min_auc": 0.2, "x": null}`:                 {"x"},
		`{"require_drift_check": 1, "min_auc": 0.1}`:  {"require_drift_check"},
		`["min_auc"]`:                                 {"promotion_gates"},
		`"none"`:                                      {"promotion_gates"},
		`{"min_auc": 0.9, "min_auc": 0.1, "max_a":1}`: {"max_a", "min_auc", "min_auc"},
	} {
		t.Run(gates, func(t *testing.T) {
			t.Parallel()
			s := pythonModel(t, gates, "1.0.0")
			r := s.Open()
			s.Register(r, "1.0.1") // with an auc of 0.5
			for _, version := range []string{"1.0.0", "1.0.1"} {
				_, err := r.Promote(t.Context(), fraud.At(version), mr.Staging, nil)
				if diff := cmp.Diff(names, refusedBy(t, err)); diff != "" {
					t.Errorf("%s is refused by (-want +got):\n%s", version, diff)
				}
			}
			wantFindings(t, s.Dir, "entry unreadable", "no digests 1.0.0")
			if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, &mr.MoveOptions{SkipGates: true}); err != nil {
				t.Error(err)
			}
			if _, err := r.Demote(t.Context(), fraud.At("1.0.1"), mr.Development, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// An editor writes an old document back, with our key in it. Only what the
// editor changed is changed.
func TestModelGatesOfAnOldDocument(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{"min_auc": 0.4}`, "1.0.0")
	r := s.Open()
	s.Register(r, "1.0.1")
	old := string(s.Read("registry.json"))
	s.PythonRegisters("1.0.2")
	pythonSetsGates(s, `{"min_auc": 0.6}`)
	s.Register(r, "1.0.3")
	s.Write("registry.json", []byte(strings.Replace(old, `"config_hash": null`, `"config_hash": "edited"`, 1)))
	s.Register(r, "1.0.4")
	if got := modelGates(s, r, "1.0.0"); got != `{"min_auc":0.6}` {
		t.Errorf("the gates are %s", got)
	}
	if doc := string(s.Read("registry.json")); !strings.Contains(doc, `"config_hash": "edited"`) || !strings.Contains(doc, "\n    \"min_auc\": 0.6\n") {
		t.Errorf("the document is\n%s", doc)
	}
}

// Verify compares the facts about the model in our key with the history, and
// Repair restores them from it.
func TestModelInOurKeyIsVerified(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{"min_auc": 0.4}`, "1.0.0")
	s.Register(s.Open(), "1.0.1")
	d := s.Document()
	d.Mark.Model = []byte(`{"promotion_gates":{"min_auc":0.4},"aliases":{"champion":"1.0.0"}}`)
	s.Write("registry.json", document.Format(d))
	wantFindings(t, s.Dir, "document differs registry.json", "no digests 1.0.0")
	if _, err := s.Open().Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	if got := string(s.Document().Mark.Model); got != `{"promotion_gates":{"min_auc":0.4}}` {
		t.Errorf("our key says %s", got)
	}
}

// Ubunye since 0.7 always writes the key. So an empty value is no change if the
// model had no gates.
func TestModelWithoutGatesStaysWithout(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	s.Register(r, "1.0.0")
	s.PythonWrites(func(map[string]map[string]string, *[]string) {})
	pythonSetsGates(s, `{}`)
	s.Register(r, "1.0.1")
	var got []string
	for e, err := range s.Open().History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(string(e.Op)+" "+e.Version))
	}
	if diff := cmp.Diff([]string{"register 1.0.0", "register 1.0.1"}, got); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
	if doc := string(s.Read("registry.json")); !strings.Contains(doc, `"promotion_gates": {}`) {
		t.Errorf("the key is lost:\n%s", doc)
	}
}

// History shows the model's gates in an import, whether it is recorded yet or
// not.
func TestImportShowsModelGates(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{"min_auc": 0.4}`, "1.0.0")
	for _, recorded := range []bool{false, true} {
		if recorded {
			s.Register(s.Open(), "1.0.1")
		}
		for e, err := range s.Open().History(t.Context(), fraud, &mr.HistoryOptions{Ops: []mr.Operation{mr.OpImport}}) {
			if err != nil {
				t.Fatal(err)
			}
			if got := mustJSON(t, e.ModelGates); e.Unrecorded() == recorded || got != `{"min_auc":0.4}` {
				t.Errorf("recorded %t: the import shows the gates %s and is unrecorded: %t", recorded, got, e.Unrecorded())
			}
		}
	}
}

// The key comes back although the document could not be written when the
// external change was recorded.
func TestModelGatesComeBackAfterAFailedCheckpoint(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *pythonstore.Store){
		"dropped by Ubunye before 0.7": func(s *pythonstore.Store) { s.PythonRegisters("1.0.2") },
		"dropped by an editor": func(s *pythonstore.Store) {
			s.Write("registry.json", []byte(strings.Replace(strings.Replace(string(s.Read("registry.json")),
				`"config_hash": null`, `"config_hash": "edited"`, 1), "\n  \"promotion_gates\": {\n    \"min_auc\": 0.4\n  },", "", 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonModel(t, `{"min_auc": 0.4}`, "1.0.0")
			s.Register(s.Open(), "1.0.1")
			d := s.Document()
			d.Mark.Others = []pyjson.Member{{Key: "later", Raw: []byte(`"later"`), Value: []byte("1")}}
			s.Write("registry.json", document.Format(d))
			change(s)
			edited := s.Document().Mark != nil
			if strings.Contains(strings.ReplaceAll(string(s.Read("registry.json")), `"model": {"promotion_gates"`, ""), `"promotion_gates"`) {
				t.Fatal("the key is still there")
			}
			s.BlockCheckpoint()
			s.Register(s.Open(), "1.0.3") // records the change
			s.UnblockCheckpoint()
			s.Register(s.Open(), "1.0.4")
			if doc := string(s.Read("registry.json")); !strings.Contains(doc, "\n  \"promotion_gates\": {\n    \"min_auc\": 0.4\n  },") {
				t.Errorf("the key did not come back:\n%s", doc)
			}
			if others := s.Document().Mark.Others; edited && len(others) != 1 {
				t.Errorf("our key keeps %v", others)
			}
		})
	}
}
