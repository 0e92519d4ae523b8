package modelregistry_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// pythonMovesForced is what Ubunye makes of an entry by a promotion, forced
// past gates if they are given.
func pythonMovesForced(s *pythonstore.Store, version, stage, when, skipped string) {
	s.T.Helper()
	s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) {
		e := entries[version]
		e["stage"] = `"` + stage + `"`
		e[map[string]string{"staging": "promoted_to_staging", "production": "promoted_to_prod", "archived": "archived_at"}[stage]] = `"` + when + `"`
		if skipped != "" {
			e["metadata"] = `{"by": "py", "promotion_forced": true, "promotion_gates_skipped": ` + skipped + `}`
		}
	})
}

// The history shows that another program forced a promotion, with the gates
// that it skipped.
func TestForcedPromotionShowsInTheHistory(t *testing.T) {
	t.Parallel()
	const fails, holds = `{"min_auc": 0.85, "require_drift_check": false}`, `{"min_auc": 0.1}`
	type change struct {
		Forced  bool
		Skipped string
	}
	plain, forced := change{}, change{true, "min_auc: auc 0.25 < 0.85"}
	for name, c := range map[string]struct {
		turns []func(s *pythonstore.Store)
		want  []change // of each turn
	}{
		"not forced": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, "") },
		}, []change{plain}},
		"forced": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, fails) },
		}, []change{forced}},
		"forced twice": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, fails) },
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "production", pythonstore.Day2, fails) },
		}, []change{forced, forced}},
		"forced, and then edited": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, fails) },
			func(s *pythonstore.Store) {
				s.PythonWrites(func(entries map[string]map[string]string, _ *[]string) { entries["1.0.0"]["config_hash"] = `"x"` })
			},
		}, []change{forced, plain}},
		"forced, and then archived": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, fails) },
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "archived", pythonstore.Day2, "") },
		}, []change{forced, plain}},
		"forced past gates that hold, and then promoted": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, holds) },
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "production", pythonstore.Day2, "") },
		}, []change{{true, "min_auc: auc 0.25 >= 0.1"}, plain}},
		"forced past other gates": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, holds) },
			func(s *pythonstore.Store) { pythonMovesForced(s, "1.0.0", "production", pythonstore.Day2, fails) },
		}, []change{{true, "min_auc: auc 0.25 >= 0.1"}, forced}},
		"forced past what is no gate here": {[]func(*pythonstore.Store){
			func(s *pythonstore.Store) {
				pythonMovesForced(s, "1.0.0", "staging", pythonstore.Day1, `{"later": [NaN]}`)
			},
		}, []change{{true, "later: this release can't read it: unknown gate \"later\" (want min_<metric>, max_<metric>, require_drift_check, or not_below_ or not_above_production with a map of margins)"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonModel(t, `{"min_auc": 0.85}`, "1.0.0")
			s.Register(s.Open(), "1.0.1")
			for _, turn := range c.turns {
				turn(s)
				s.Register(s.Open(), "") // records it
			}
			var got []change
			for e, err := range s.Open().History(t.Context(), fraud, &mr.HistoryOptions{Ops: []mr.Operation{mr.OpForeign}}) {
				if err != nil || len(e.Changes) != 1 {
					t.Fatalf("%+v, %v", e, err)
				}
				var skipped []string
				for _, g := range e.Changes[0].SkippedGates {
					skipped = append(skipped, g.Name+": "+g.Message)
				}
				got = append(got, change{e.Changes[0].Forced, strings.Join(skipped, "; ")})
				if text := mustJSON(t, e); strings.Contains(text, `"forced":true`) != e.Changes[0].Forced {
					t.Errorf("in JSON it is %s", text)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			// Our own moves of such a version are not forced.
			if _, err := s.Open().Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Open().RollbackTo(t.Context(), fraud.At("1.0.0"), &mr.MoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
			for e, err := range s.Open().History(t.Context(), fraud, &mr.HistoryOptions{Versions: []string{"1.0.0"}}) {
				if err != nil || e.Op != mr.OpForeign && e.Changes[0].Forced {
					t.Errorf("%+v, %v", e, err)
				}
			}
		})
	}
}

// The history shows a forced promotion in a store that the registry imports,
// too.
func TestForcedPromotionOfAnImport(t *testing.T) {
	t.Parallel()
	s := pythonModel(t, `{"min_auc": 0.85}`, "1.0.0")
	pythonMovesForced(s, "1.0.0", "production", pythonstore.Day2, `{"min_auc": 0.85}`)
	for range 2 { // unrecorded, and recorded
		for e, err := range s.Open().History(t.Context(), fraud, nil) {
			if err != nil || e.Op != mr.OpImport || !e.Changes[0].Forced || e.Changes[0].SkippedGates[0].Name != "min_auc" {
				t.Errorf("%+v, %v", e, err)
			}
			break
		}
		s.Register(s.Open(), "")
	}
}

// The history says what the stored gates would have said about a promotion by
// another program, which knows only some of them.
func TestGatesThatAnotherProgramMissed(t *testing.T) {
	t.Parallel()
	for name, gates := range map[string]mr.PromotionGate{
		"of the model": mr.NotBelowProduction("auc", 0.01), "none": {}, "passed": mr.NotBelowProduction("auc", "50%"),
		"another baseline": mr.NotBelow(fraud.Aliased("champion"), "auc", 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			register(t, r, "1.0.0", map[string]any{"auc": 0.91})
			register(t, r, "1.0.1", map[string]any{"auc": 0.8})
			promote(t, r, "1.0.0", mr.Production)
			if err := r.SetModelGates(t.Context(), fraud, gates, nil); err != nil {
				t.Fatal(err)
			}
			s.PythonPromotes("1.0.1", "2031-01-01T00:00:00+00:00")
			register(t, r, "1.0.2", nil)
			events := s.ForeignEvents(r)
			if len(events) != 1 {
				t.Fatalf("%d events of another program, want 1", len(events))
			}
			report, err := r.Verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var missed []string
			for _, f := range report.Findings {
				if f.Kind == mr.GatesMissed && f.Kind.Notice() {
					missed = append(missed, f.String())
				}
			}
			if (name == "of the model") != (len(missed) == 1) || len(missed) == 1 && !strings.Contains(missed[0], "FraudRiskModel@1.0.1: 1 of 1 gates to production failed: not_below_production auc: 0.8") {
				t.Errorf("Verify finds %q", missed)
			}
			for _, c := range events[0].Changes {
				var got []string
				for _, g := range c.MissedGates {
					got = append(got, g.Name+": "+g.Message)
				}
				var want []string
				if name == "of the model" && c.Version == "1.0.1" {
					want = []string{"not_below_production auc: 0.8 < 0.90 (production 1.0.0: 0.91, margin 0.01)"}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("missed gates of %s (-want +got):\n%s", c.Version, diff)
				}
			}
		})
	}
}
