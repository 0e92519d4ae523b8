package modelregistry_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

func TestStoredGates(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	gates := gatesOf(t, map[string]any{"min_auc": 0.8, "min_rows": int64(1<<53 + 1), "require_drift_check": true})
	o := &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.9, "rows": int64(1<<53 + 1)}, Gates: gates}
	v, err := r.Register(t.Context(), fraud, artifact(), o)
	if err != nil {
		t.Fatal(err)
	}
	if v.Gates.Len() != 3 {
		t.Errorf("the version has gates %s", mustJSON(t, v.Gates))
	}
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		for _, to := range []mr.ModelStage{mr.Staging, mr.Production} {
			_, err := r.Promote(t.Context(), fraud.At("1.0.0"), to, &mr.MoveOptions{Gates: mr.MinMetric("auc", 0.5)})
			var refused *mr.GateError
			if !errors.As(err, &refused) || len(refused.Results) != 4 || len(refused.Failed()) != 1 || refused.Failed()[0].Name != "require_drift_check" {
				t.Errorf("got error %v", err)
			}
		}
	}
	// The entry has no key for them.
	var doc struct{ Versions map[string]map[string]any }
	if err := json.Unmarshal([]byte(files(t, modelPath(dir))["registry.json"]), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Versions["1.0.0"]) != 11 {
		t.Errorf("the entry has the keys %v, want the 11 of Python", doc.Versions["1.0.0"])
	}

	p, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{SkipGates: true, Gates: mr.MinMetric("auc", 1)})
	if err != nil || p.Stage != mr.Production {
		t.Fatalf("promote with SkipGates returned %v, %v, want production", p.Stage, err)
	}
	if e := last(t, dir); e["skipped_gates"] != true || e["op"] != "promote" || e["refused"] != nil {
		t.Errorf("the event is %v, want a promotion with skipped gates", e)
	}
	// Gates apply to promotions only.
	if _, err := r.Demote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil); err != nil {
		t.Error(err)
	}
	if _, err := r.RollbackTo(t.Context(), fraud.At("1.0.0"), nil); err != nil {
		t.Error(err)
	}
	if _, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
		t.Error(err)
	}
	if e := last(t, dir); e["skipped_gates"] != nil {
		t.Errorf("the event of the archive is %v, want no skipped gates", e)
	}
}

// Joined sets may name the same gate twice. All gates must pass, also after
// they are stored and read.
func TestStoredGatesTwice(t *testing.T) {
	t.Parallel()
	for what, gates := range map[string]mr.PromotionGate{
		"strict last":  mr.Gates(mr.MinMetric("auc", 0.5), mr.MinMetric("auc", 0.95)),
		"strict first": mr.Gates(mr.MinMetric("auc", 0.95), mr.MinMetric("auc", 0.5)),
		"drift check":  mr.Gates(mr.RequireDriftCheck(), mr.RequireDriftCheck()),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			_, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.9}, Gates: gates})
			if errors.Is(err, mr.ErrInvalid) {
				return // a refusal is safe as well
			}
			if err != nil {
				t.Fatal(err)
			}
			var refused *mr.GateError
			if _, err := openStore(t, dir, nil).Promote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil); !errors.As(err, &refused) {
				t.Errorf("got error %v, want a GateError", err)
			}
		})
	}
}

func TestGatesInAnEntry(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		entry   string
		failed  string // the gate that fails, or empty
		message string
		problem bool
	}{
		"holds":       {`{"metrics": {"auc": 0.9}, "promotion_gates": {"min_auc": 0.85}}`, "", "", false},
		"fails":       {`{"metrics": {"auc": 0.8}, "promotion_gates": {"min_auc": 0.85}}`, "min_auc", "auc 0.8 < 0.85", false},
		"NaN":         {`{"metrics": {"auc": NaN}, "promotion_gates": {"min_auc": 0.85}}`, "min_auc", "metric auc is NaN", false},
		"infinity":    {`{"metrics": {"auc": Infinity}, "promotion_gates": {"min_auc": 0.85}}`, "min_auc", "metric auc is Infinity", false},
		"drift check": {`{"metadata": {"drift_check_passed": 1}, "promotion_gates": {"require_drift_check": true}}`, "require_drift_check", "", false},
		"null":        {`{"promotion_gates": null}`, "", "", false},
		"empty":       {`{"promotion_gates": {}}`, "", "", false},
		"misspelt":    {`{"metrics": {"auc": 0.9}, "promotion_gates": {"minauc": 0.85}}`, "minauc", "unknown gate", true},
		"a list":      {`{"promotion_gates": ["min_auc"]}`, "promotion_gates", "", true},
		"a string":    {`{"promotion_gates": "none"}`, "promotion_gates", "", true},
		"twice":       {`{"metrics": {"auc": 0.9}, "promotion_gates": {"min_auc": 0.95, "min_auc": 0.1}}`, "min_auc", "twice", true},
		"no number":   {`{"metrics": {"auc": 0.9}, "promotion_gates": {"max_loss": 1, "min_auc": {"above": 0.1}}}`, "max_loss", "min_auc", true},
		"NaN wanted":  {`{"metrics": {"auc": 0.9}, "promotion_gates": {"min_auc": NaN}}`, "min_auc", "NaN", true},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := handWritten(t, [2]string{"1.0.0", test.entry}, [2]string{"1.0.1", `{}`})
			r := openStore(t, dir, nil)
			v, err := r.GetVersion(t.Context(), fraud.At("1.0.0"))
			if err != nil {
				t.Fatal(err)
			}
			if (len(v.Problems) > 0) != test.problem {
				t.Errorf("got problems %q, want any: %t", v.Problems, test.problem)
			}
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("the version has no JSON form: %v", err)
			}
			_, err = r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
			if test.failed == "" {
				if err != nil {
					t.Error(err)
				}
			} else {
				var refused *mr.GateError
				if !errors.As(err, &refused) || refused.Failed()[0].Name != test.failed || !strings.Contains(refused.Error(), test.message) {
					t.Errorf("got error %v, want %s to fail with %q", err, test.failed, test.message)
				}
				if got := stagesOf(t, openStore(t, dir, nil))["1.0.0"]; got != mr.Development {
					t.Errorf("after the refusal 1.0.0 is in %s, want development", got)
				}
				if _, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{SkipGates: true}); err != nil {
					t.Errorf("promote with SkipGates: got error %v, want none", err)
				}
			}
			// The entry keeps its gates after our write, and the other version
			// can be promoted.
			if !strings.Contains(files(t, modelPath(dir))["registry.json"], `"promotion_gates"`) {
				t.Error("the entry has no promotion_gates after our write, want them kept")
			}
			if _, err := openStore(t, dir, nil).Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// Gates that an editor adds to an entry apply together with the gates that were
// stored at registration, even if the names are equal.
func TestGatesAddedByHand(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	o := &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.9}, Gates: mr.MinMetric("auc", 0.8)}
	if _, err := r.Register(t.Context(), fraud, artifact(), o); err != nil {
		t.Fatal(err)
	}
	doc := files(t, modelPath(dir))["registry.json"]
	edited := strings.Replace(doc, `"promoted_by": null`, `"promoted_by": null, "promotion_gates": {"min_auc": 0.95}`, 1)
	writeFile(t, modelPath(dir, "registry.json"), edited)
	for _, r := range []*mr.ModelRegistry{openStore(t, dir, nil), r, openStore(t, dir, nil)} {
		v, err := r.GetVersion(t.Context(), fraud.At("1.0.0"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("the version has no JSON form: %v", err)
		}
		_, err = r.Promote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil)
		var refused *mr.GateError
		if !errors.As(err, &refused) || len(refused.Results) != 2 || len(refused.Failed()) != 1 {
			t.Errorf("got error %v, want one of two gates to fail", err)
		}
	}
}
