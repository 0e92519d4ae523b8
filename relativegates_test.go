package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// refusal returns the messages of the gates that refused a promotion.
func refusal(t *testing.T, err error) string {
	t.Helper()
	var refused *mr.GateError
	if !errors.As(err, &refused) {
		t.Errorf("got error %v, want a *GateError", err)
		return ""
	}
	var text []string
	for _, f := range refused.Failed() {
		text = append(text, f.Name+": "+f.Message)
	}
	return strings.Join(text, "; ")
}

// withAUC makes a store in which each version has the auc of its place, and the
// first is in production.
func withAUC(t *testing.T, auc ...any) (r *mr.ModelRegistry, dir string) {
	t.Helper()
	r, dir = newStore(t, nil)
	for i, value := range auc {
		register(t, r, fmt.Sprintf("1.%d.0", i), map[string]any{"auc": value})
	}
	promote(t, r, "1.0.0", mr.Production)
	return r, dir
}

// A promotion compares with production. The check of it, the error, and the
// history of a refusal and of a promotion say the same.
func TestPromotionAgainstProduction(t *testing.T) {
	t.Parallel()
	r, dir := withAUC(t, 0.91, 0.891, 0.90)
	o := &mr.MoveOptions{Gates: mr.NotBelowProduction("auc", 0.01)}
	want := mr.GateResult{Name: "not_below_production auc", Message: "0.891 < 0.90 (production 1.0.0: 0.91, margin 0.01)",
		Actual: json.Number("0.891"), Threshold: json.Number("0.90"), Baseline: "1.0.0", BaselineValue: json.Number("0.91"), Margin: json.Number("0.01")}
	check := unchanged(t, dir)
	c, err := r.CheckPromotion(t.Context(), fraud.At("1.1.0"), mr.Production, o)
	check()
	if diff := cmp.Diff([]mr.GateResult{want}, c.Gates); err != nil || c.Allowed || diff != "" {
		t.Errorf("check: allowed %v, %v, results (-want +got):\n%s", c.Allowed, err, diff)
	}
	_, err = r.Promote(t.Context(), fraud.At("1.1.0"), mr.Production, o)
	if got := refusal(t, err); got != want.Name+": "+want.Message {
		t.Errorf("refused with %s", got)
	}
	newest := func() (e mr.Event) {
		for e, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{Newest: true}) {
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		return e
	}
	if e := newest(); !e.Refused || !cmp.Equal(e.Gates, []mr.GateResult{want}) {
		t.Errorf("the history has %+v, want the refusal with its result", e)
	}
	if _, err := r.Promote(t.Context(), fraud.At("1.2.0"), mr.Production, o); err != nil {
		t.Fatal(err)
	}
	if e := newest(); e.Refused || len(e.Gates) != 1 || e.Gates[0].Message != "0.9 >= 0.90 (production 1.0.0: 0.91, margin 0.01)" || e.Gates[0].Baseline != "1.0.0" {
		t.Errorf("the history has %+v, want the promotion with its result", e)
	}
	var raw struct{ Gates []map[string]any }
	if err := json.Unmarshal([]byte(mustJSON(t, newest())), &raw); err != nil || raw.Gates[0]["baseline"] != "1.0.0" || raw.Gates[0]["margin"] != 0.01 {
		t.Errorf("as JSON the results are %v, %v", raw.Gates, err)
	}
	v, err := r.Promote(t.Context(), fraud.At("1.2.0"), mr.Production, &mr.MoveOptions{Gates: mr.NotBelowProduction("none", 0)})
	if err != nil || v.Stage != mr.Production {
		t.Errorf("the version in production already: %v, %v, want nothing to do", v.Stage, err)
	}
	// Rollback and Demote check no gates.
	if err := r.SetModelGates(t.Context(), fraud, mr.NotBelowProduction("auc", 0), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.RollbackTo(t.Context(), fraud.At("1.0.0"), nil); err != nil {
		t.Error(err)
	}
	if _, err := r.Rollback(t.Context(), fraud, nil); err == nil {
		t.Error("rolled back before the first production")
	}
	if _, err := r.Demote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil); err != nil {
		t.Error(err)
	}
}

// Gates that are stored with a version, with the model, and by a configuration
// compare, too.
func TestStoredRelativeGates(t *testing.T) {
	t.Parallel()
	r, dir := withAUC(t, 0.9, 0.8)
	relative := mr.Gates(mr.NotBelowProduction("auc", "1%"), mr.NotAboveProduction("loss", json.Number("0.10")))
	if _, err := r.SetGates(t.Context(), fraud.At("1.1.0"), mr.NotBelowProduction("auc", 0.05), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.SetModelGates(t.Context(), fraud, relative, nil); err != nil {
		t.Fatal(err)
	}
	o := &mr.RegisterOptions{Version: "1.2.0", Metrics: map[string]any{"auc": 0.7}, Gates: mr.NotBelow(fraud.At("1.1.0"), "auc", 0)}
	if _, err := r.Register(t.Context(), fraud, artifact(), o); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, nil)} {
		facts, err := r.Facts(t.Context(), fraud)
		if got, want := mustJSON(t, facts.Gates), `{"not_above_production":{"loss":0.10},"not_below_production":{"auc":"1%"}}`; err != nil || got != want {
			t.Errorf("the model's gates are %s, %v, want %s", got, err, want)
		}
		for version, want := range map[string]string{
			"1.1.0": "not_above_production loss: metric loss is missing (there are auc); " +
				"not_below_production auc: 0.8 < 0.891 (production 1.0.0: 0.9, margin 1%); not_below_production auc: 0.8 < 0.85 (production 1.0.0: 0.9, margin 0.05)",
			"1.2.0": "not_above_production loss: metric loss is missing (there are auc); not_below_production auc: 0.7 < 0.891 (production 1.0.0: 0.9, margin 1%); " +
				"not_below@1.1.0 auc: 0.7 < 0.8 (1.1.0: 0.8, margin 0)",
		} {
			if _, err := r.Promote(t.Context(), fraud.At(version), mr.Staging, nil); refusal(t, err) != want {
				t.Errorf("%s is refused with\n%s, want\n%s", version, refusal(t, err), want)
			}
		}
	}
	if _, err := r.Promote(t.Context(), fraud.At("1.2.0"), mr.Staging, &mr.MoveOptions{SkipGates: true, Reason: "a new metric"}); err != nil {
		t.Error(err)
	}
	other := mr.NotBelow(mr.ModelName{UseCase: "a", Model: "B"}.In(mr.Production), "auc", 0)
	if _, err := r.SetGates(t.Context(), fraud.At("1.1.0"), other, nil); !errors.Is(err, mr.ErrInvalid) || !strings.Contains(err.Error(), "a/B@production, which is another model") {
		t.Errorf("a gate with another model was stored: %v", err)
	}
	if _, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Gates: other}); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("a gate with another model was registered: %v", err)
	}
}

// A stored gate that compares with a version of its model does so in a copy of
// the model, too, and not with the original.
func TestStoredGatesOfACopiedModel(t *testing.T) {
	t.Parallel()
	r, dir := withAUC(t, 0.9, 0.8)
	both := mr.Gates(mr.NotBelow(fraud.In(mr.Production), "auc", 0.2), mr.NotBelow(fraud.At("1.0.0"), "auc", 0.2), gatesOf(t, map[string]any{"not_below@1.0.0": map[string]any{"auc": 0.2}}))
	if err := r.SetModelGates(t.Context(), fraud, both, nil); err != nil {
		t.Fatal(err)
	}
	copied := mr.ModelName{UseCase: fraud.UseCase, Model: "Copied"}
	if err := os.CopyFS(filepath.Join(dir, copied.UseCase, copied.Model), os.DirFS(modelPath(dir))); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), fraud.At("1.0.0"), &mr.KeepOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	facts, err := r.Facts(t.Context(), copied)
	if got, want := mustJSON(t, facts.Gates), `{"not_below@1.0.0":{"auc":0.2},"not_below@production":{"auc":0.2}}`; err != nil || got != want {
		t.Errorf("the copy's gates are %s, %v, want %s", got, err, want)
	}
	if _, err := r.Promote(t.Context(), copied.At("1.1.0"), mr.Production, nil); err != nil {
		t.Error(err)
	}
}

// If production changes after the gates ran, they run again on the new one.
func TestRelativeGatesHoldAtTheCommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, r *mr.ModelRegistry, dir string)
		asked  int
		want   string
	}{
		"another in production": {func(t *testing.T, r *mr.ModelRegistry, _ string) { promote(t, r, "1.2.0", mr.Production) }, 2,
			"not_below_production auc: 0.9 < 0.95 (production 1.2.0: 0.95, margin 0)"},
		"another metric": {func(t *testing.T, _ *mr.ModelRegistry, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string { return strings.Replace(s, `"auc": 0.85`, `"auc": 0.93`, 1) })
		}, 2, "not_below_production auc: 0.9 < 0.93 (production 1.0.0: 0.93, margin 0)"},
		"archived": {func(t *testing.T, r *mr.ModelRegistry, _ string) {
			if _, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
				t.Error(err)
			}
		}, 2, ""},
		"deleted": {func(t *testing.T, _ *mr.ModelRegistry, dir string) {
			edit(t, modelPath(dir, "registry.json"), func(s string) string {
				from, to := strings.Index(s, `"1.0.0": {`), strings.Index(s, `"1.1.0": {`)
				return s[:from] + s[to:]
			})
		}, 2, ""},
		"nothing":                    {func(*testing.T, *mr.ModelRegistry, string) {}, 1, ""},
		"another version registered": {func(t *testing.T, r *mr.ModelRegistry, _ string) { register(t, r, "2.0.0", nil) }, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := withAUC(t, 0.85, 0.9, 0.95)
			asked := 0
			meddle := mr.GateOf("meddle", func(context.Context, mr.ModelVersion) error {
				if asked++; asked == 1 {
					test.change(t, r, dir)
				}
				return nil
			})
			_, err := r.Promote(t.Context(), fraud.At("1.1.0"), mr.Production, &mr.MoveOptions{Gates: mr.Gates(mr.NotBelowProduction("auc", 0), meddle)})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got error %v, want a promotion", err)
			case test.want != "" && refusal(t, err) != test.want:
				t.Errorf("refused with %s, want %s", refusal(t, err), test.want)
			}
			if asked != test.asked {
				t.Errorf("the gates ran %d times, want %d", asked, test.asked)
			}
		})
	}
}

// Of candidates that are promoted at once, each is held against the one that
// entered production before it.
func TestRelativeGatesRace(t *testing.T) {
	t.Parallel()
	auc := []any{0.80}
	for i := range 8 {
		auc = append(auc, 0.81+float64(i)/100)
	}
	r, dir := withAUC(t, auc...)
	var group sync.WaitGroup
	for i := range auc[1:] {
		group.Go(func() {
			_, err := r.Promote(t.Context(), fraud.At(fmt.Sprintf("1.%d.0", i+1)), mr.Production, &mr.MoveOptions{Gates: mr.NotBelowProduction("auc", 0)})
			if err != nil {
				refusal(t, err)
			}
		})
	}
	group.Wait()
	before := "1.0.0"
	for _, e := range history(t, dir) {
		if e["op"] == "promote" && e["refused"] == nil {
			if version := e["version"].(string); version < before {
				t.Errorf("%s was promoted after %s, which is better", version, before)
			} else {
				before = version
			}
		}
	}
	if before != "1.8.0" {
		t.Errorf("production is %s, want the best", before)
	}
}

// Without a version in production, the last one that was there counts.
func TestLastInProductionIsTheBaseline(t *testing.T) {
	t.Parallel()
	gate := &mr.MoveOptions{Gates: mr.NotBelowProduction("auc", 0)}
	for name, test := range map[string]struct {
		before func(t *testing.T, r *mr.ModelRegistry) error
		want   string // the refusal of 1.1.0, whose auc is 0.8; empty for none
	}{
		"archived": {func(t *testing.T, r *mr.ModelRegistry) error {
			promote(t, r, "1.0.0", mr.Production)
			_, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil)
			return err
		}, "0.8 < 0.9 (last in production 1.0.0: 0.9, margin 0)"},
		"demoted": {func(t *testing.T, r *mr.ModelRegistry) error {
			promote(t, r, "1.0.0", mr.Production)
			_, err := r.Demote(t.Context(), fraud.At("1.0.0"), mr.Staging, nil)
			return err
		}, "0.8 < 0.9 (last in production 1.0.0: 0.9, margin 0)"},
		"the later of two": {func(t *testing.T, r *mr.ModelRegistry) error {
			promote(t, r, "1.0.0", mr.Production)
			promote(t, r, "1.2.0", mr.Production)
			_, err := r.Archive(t.Context(), fraud.At("1.2.0"), nil)
			return err
		}, ""},
		"the one that was restored": {func(t *testing.T, r *mr.ModelRegistry) error {
			promote(t, r, "1.0.0", mr.Production)
			promote(t, r, "1.2.0", mr.Production)
			_, err := r.Rollback(t.Context(), fraud, nil)
			if err == nil {
				_, err = r.Archive(t.Context(), fraud.At("1.0.0"), nil)
			}
			return err
		}, "0.8 < 0.9 (last in production 1.0.0: 0.9, margin 0)"},
		"never": {func(*testing.T, *mr.ModelRegistry) error { return nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			for version, auc := range map[string]float64{"1.0.0": 0.9, "1.1.0": 0.8, "1.2.0": 0.7} {
				register(t, r, version, map[string]any{"auc": auc})
			}
			if err := test.before(t, r); err != nil {
				t.Fatal(err)
			}
			for _, r := range []*mr.ModelRegistry{openStore(t, dir, nil), r} {
				c, err := r.CheckPromotion(t.Context(), fraud.At("1.1.0"), mr.Production, gate)
				if err != nil || c.Allowed != (test.want == "") || test.want != "" && c.Gates[0].Message != test.want {
					t.Errorf("got %v, %v, want %q", c, err, test.want)
				}
				if name == "never" && c.Gates[0].Message != "nothing to compare with: no version has been in production yet" {
					t.Errorf("the message is %s", c.Gates[0].Message)
				}
			}
		})
	}
}

// The metrics of a deleted version are in the history and still count.
func TestDeletedProductionIsTheBaseline(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		archive, recorded bool
	}{
		"archived before": {true, false}, "in production": {false, false},
		"archived before, recorded": {true, true}, "in production, recorded": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			r := s.Open()
			for version, auc := range map[string]float64{"1.0.0": 0.9, "1.1.0": 0.8, "1.2.0": 0.95} {
				register(t, r, version, map[string]any{"auc": auc})
			}
			promote(t, r, "1.0.0", mr.Production)
			if test.archive {
				if _, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
					t.Fatal(err)
				}
			}
			s.PythonDeletes("1.0.0")
			if test.recorded {
				register(t, r, "1.3.0", nil)
			}
			o := &mr.MoveOptions{Gates: mr.NotBelowProduction("auc", 0)}
			_, err := r.Promote(t.Context(), fraud.At("1.1.0"), mr.Production, o)
			want := "not_below_production auc: 0.8 < 0.9 (last in production 1.0.0, deleted since: 0.9, margin 0)"
			if got := refusal(t, err); got != want {
				t.Errorf("refused with %s, want %s", got, want)
			}
			if _, err := r.Promote(t.Context(), fraud.At("1.2.0"), mr.Production, o); err != nil {
				t.Error(err)
			}
		})
	}
}

// A store of another program says in its entries which version was in
// production last.
func TestLastInProductionOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := handWritten(t,
		[2]string{"1.0.0", `{"version": "1.0.0", "stage": "archived", "metrics": {"auc": 0.7}, "promoted_to_prod": "2024-01-01T00:00:00+00:00"}`},
		[2]string{"1.1.0", `{"version": "1.1.0", "stage": "archived", "metrics": {"auc": 0.9}, "promoted_to_prod": "2024-02-01T00:00:00+00:00"}`},
		[2]string{"1.2.0", `{"version": "1.2.0", "stage": "staging", "metrics": {"auc": 0.8}}`})
	r := openStore(t, dir, nil)
	_, err := r.Promote(t.Context(), fraud.At("1.2.0"), mr.Production, &mr.MoveOptions{Gates: mr.NotBelowProduction("auc", 0)})
	if got, want := refusal(t, err), "not_below_production auc: 0.8 < 0.9 (last in production 1.1.0: 0.9, margin 0)"; got != want {
		t.Errorf("refused with %s, want %s", got, want)
	}
}

// A gate compares with the version that any reference means.
func TestOtherBaselines(t *testing.T) {
	t.Parallel()
	r, _ := withAUC(t, 0.9, 0.8, 0.7)
	promote(t, r, "1.2.0", mr.Staging)
	if err := r.SetAliases(t.Context(), fraud, map[string]string{"champion": "1.1.0"}, nil); err != nil {
		t.Fatal(err)
	}
	other := mr.ModelName{UseCase: "a", Model: "B"}
	if _, err := r.Register(t.Context(), other, artifact(), &mr.RegisterOptions{Version: "3.0.0", Metrics: map[string]any{"auc": 0.99}}); err != nil {
		t.Fatal(err)
	}
	full := "not_below@fraud_detection/FraudRiskModel@"
	for name, test := range map[string]struct {
		gate mr.PromotionGate
		want string
	}{
		"alias":           {mr.NotBelow(fraud.Aliased("champion"), "auc", 0.05), full + "champion auc: 0.7 < 0.75 (champion 1.1.0: 0.8, margin 0.05)"},
		"alias, short":    {gatesOf(t, map[string]any{"not_below@champion": map[string]any{"auc": 0}}), "not_below@champion auc: 0.7 < 0.8 (champion 1.1.0: 0.8, margin 0)"},
		"alias, passes":   {mr.NotBelow(fraud.Aliased("champion"), "auc", 0.1), ""},
		"version":         {mr.NotBelow(fraud.At("1.1.0"), "auc", 0), full + "1.1.0 auc: 0.7 < 0.8 (1.1.0: 0.8, margin 0)"},
		"stage":           {mr.NotAbove(fraud.In(mr.Staging), "auc", 0), ""},
		"range":           {mr.NotBelow(fraud.Matching("<1.2"), "auc", 0), full + "<1.2 auc: 0.7 < 0.8 (<1.2 1.1.0: 0.8, margin 0)"},
		"production":      {mr.NotBelow(fraud.In(mr.Production), "auc", 0), full + "production auc: 0.7 < 0.9 (production 1.0.0: 0.9, margin 0)"},
		"another model":   {mr.NotBelow(other.Matching(mr.Latest), "auc", 0), "not_below@a/B@latest auc: 0.7 < 0.99 (a/B@latest 3.0.0: 0.99, margin 0)"},
		"no such alias":   {mr.NotBelow(fraud.Aliased("challenger"), "auc", 0), full + "challenger auc: no baseline: alias challenger: not found; compare with another baseline, or skip the gates and give the reason (--skip-gates --reason)"},
		"no such model":   {mr.NotBelow(mr.ModelName{UseCase: "a", Model: "C"}.At("1.0.0"), "auc", 0), "not_below@a/C@1.0.0 auc: no baseline: get a/C@1.0.0: model a/C: not found; compare with another baseline, or skip the gates and give the reason (--skip-gates --reason)"},
		"not in baseline": {mr.NotBelow(fraud.At("1.1.0"), "f1", 0), full + "1.1.0 f1: metric f1 is missing (there are auc)"},
	} {
		c, err := r.CheckPromotion(t.Context(), fraud.At("1.2.0"), mr.Production, &mr.MoveOptions{Gates: test.gate})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		if !c.Allowed {
			got = refusal(t, &mr.GateError{Results: c.Gates})
		}
		if got != test.want {
			t.Errorf("%s: refused with\n%s, want\n%s", name, got, test.want)
		}
	}
	asked := 0
	moved := mr.GateOf("moves the alias", func(context.Context, mr.ModelVersion) error {
		if asked++; asked == 1 {
			return r.SetAliases(t.Context(), fraud, map[string]string{"champion": "1.0.0"}, nil)
		}
		return nil
	})
	_, err := r.Promote(t.Context(), fraud.At("1.2.0"), mr.Production, &mr.MoveOptions{Gates: mr.Gates(mr.NotBelow(fraud.Aliased("champion"), "auc", 0.1), moved)})
	if got, want := refusal(t, err), full+"champion auc: 0.7 < 0.8 (champion 1.0.0: 0.9, margin 0.1)"; got != want {
		t.Errorf("after the alias moved: refused with %s, want %s", got, want)
	}
}

// Gates of slices are evaluated for each slice that production has.
func TestSlicesOfProduction(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", map[string]any{"auc": 0.9, "auc/region=eu": 0.9, "auc/region=us": 0.8})
	register(t, r, "1.1.0", map[string]any{"auc": 0.95, "auc/region=eu": 0.95, "auc/region=asia": 0.1})
	promote(t, r, "1.0.0", mr.Production)
	_, err := r.Promote(t.Context(), fraud.At("1.1.0"), mr.Production, &mr.MoveOptions{Gates: mr.NotBelowProduction("auc/*", 0.01)})
	var refused *mr.GateError
	if !errors.As(err, &refused) || len(refused.Results) != 2 || !strings.HasPrefix(refusal(t, err), "not_below_production auc/region=us: metric auc/region=us is missing") {
		t.Errorf("got error %v, want the missing slice of two", err)
	}
}

func TestRelativeGateConstructorsPanic(t *testing.T) {
	t.Parallel()
	for what, make := range map[string]func() mr.PromotionGate{
		"negative":     func() mr.PromotionGate { return mr.NotBelowProduction("auc", -0.1) },
		"no metric":    func() mr.PromotionGate { return mr.NotAboveProduction("", 0) },
		"not a share":  func() mr.PromotionGate { return mr.NotAboveProduction("auc", "2") },
		"no reference": func() mr.PromotionGate { return mr.NotBelow(mr.Ref{}, "auc", 0) },
		"no text form": func() mr.PromotionGate { return mr.NotAbove(mr.Ref{Name: fraud}, "auc", 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			make()
		}()
	}
	for key, names := range map[string]string{"not_below@prod": "did you mean production", "not_below@a b": "baseline a b", "not_above@fraud@x@y": "baseline"} {
		_, err := mr.ParseGates(map[string]any{key: map[string]any{"auc": 0}})
		if !errors.Is(err, mr.ErrInvalid) || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: got error %v, want ErrInvalid with %q", key, err, names)
		}
	}
}

// A YAML library may give a map in a map any keys.
func TestRelativeGatesInYAML(t *testing.T) {
	t.Parallel()
	var g mr.PromotionGate
	err := g.UnmarshalYAML(func(into any) error {
		*into.(*map[string]any) = map[string]any{"min_auc": 0.8, "not_below_production": map[any]any{"auc": 0.01, "f1": "2%"}}
		return nil
	})
	if want := `{"min_auc":0.8,"not_below_production":{"auc":0.01,"f1":"2%"}}`; err != nil || mustJSON(t, g) != want {
		t.Errorf("read as %v, %v; want %s", g, err, want)
	}
}

// Gates that are written as YAML and read again are the same.
func TestGatesAsYAML(t *testing.T) {
	t.Parallel()
	written := gatesOf(t, map[string]any{"min_auc": 0.85, "max_n": json.Number("9007199254740993"), "require_drift_check": true,
		"not_below_production": map[string]any{"auc": 0.01, "f1": "2%", "calls": 5}})
	got, err := written.MarshalYAML()
	want := map[string]any{"min_auc": 0.85, "max_n": int64(9007199254740993), "require_drift_check": true,
		"not_below_production": map[string]any{"auc": 0.01, "f1": "2%", "calls": int64(5)}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	if read := gatesOf(t, got.(map[string]any)); mustJSON(t, read) != mustJSON(t, written) {
		t.Errorf("read again, they are %v, not %v", read, written)
	}
	if written.IsZero() || !mr.Gates().IsZero() {
		t.Error("gates are zero, or none are not")
	}
	for _, g := range []mr.PromotionGate{
		gatesOf(t, map[string]any{"not_below_production": map[string]any{"auc": json.Number("0.10000000000000000000001")}}),
		mr.GateOf("slow", func(context.Context, mr.ModelVersion) error { return nil }),
	} {
		if got, err := g.MarshalYAML(); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%v as YAML is %v, %v; want ErrInvalid", g, got, err)
		}
	}
}
