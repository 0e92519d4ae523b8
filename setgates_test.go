package modelregistry_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// newest returns the newest event of the model.
func newest(t testing.TB, r *mr.ModelRegistry) mr.Event {
	t.Helper()
	for e, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{Newest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	t.Fatal("no event")
	return mr.Event{}
}

func TestSetGatesReplacesThoseOfTheVersion(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Metrics: map[string]any{"auc": 0.8}, Gates: mr.MinMetric("auc", 0.9), Actor: "nightly"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(t.Context(), v.Ref(), mr.Production, nil); err == nil {
		t.Fatal("the stored gate did not refuse")
	}
	before := newest(t, r).Number
	set := func(gates mr.PromotionGate) mr.ModelVersion {
		t.Helper()
		v, err := r.SetGates(t.Context(), fraud.Matching(mr.Latest), gates, &mr.GatesOptions{Actor: "alice", Reason: "stored by mistake"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if got := mustJSON(t, set(mr.MinMetric("auc", 0.75)).Gates); got != `{"min_auc":0.75}` {
		t.Errorf("the result has the gates %s", got)
	}
	set(mr.MinMetric("auc", 0.75)) // is stored already
	e := newest(t, r)
	got := []any{e.Number, e.Op, e.Version, e.Actor, e.Reason, mustJSON(t, e.VersionGates), e.From, e.To}
	want := []any{before + 1, mr.OpGates, "1.0.0", "alice", "stored by mistake", `{"min_auc":0.75}`, mr.ModelStage(""), mr.ModelStage("")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		t.Fatal(err)
	}
	held, err := openStore(t, dir, nil).GetVersion(t.Context(), v.Ref())
	if err != nil || mustJSON(t, held.Gates) != `{"min_auc":0.75}` || held.RegisteredBy != "nightly" || held.ManifestSHA256 != v.ManifestSHA256 {
		t.Errorf("from the history: %s, %s, %v", mustJSON(t, held.Gates), held.RegisteredBy, err)
	}
	promote(t, r, "1.0.0", mr.Production)
	if got := set(mr.PromotionGate{}); got.Gates.Len() != 0 || got.Stage != mr.Production {
		t.Errorf("after none were set: %s in %s", mustJSON(t, got.Gates), got.Stage)
	}
	if got := mustJSON(t, newest(t, r).VersionGates); got != "{}" {
		t.Errorf("the event has the gates %s, want none", got)
	}
	wantFindings(t, dir)
}

func TestSetGatesRefuses(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	fn := mr.GateOf("fn", func(context.Context, mr.ModelVersion) error { return nil })
	for _, tc := range []struct {
		ref   mr.Ref
		gates mr.PromotionGate
		want  error
	}{
		{fraud.At("1.0.0"), fn, mr.ErrInvalid},
		{fraud.At("9.9.9"), mr.PromotionGate{}, mr.ErrNotFound},
		{fraud.In(mr.Staging), mr.PromotionGate{}, mr.ErrNotFound},
		{mr.Ref{Name: fraud, Version: "1.0.0", Stage: mr.Staging}, mr.PromotionGate{}, mr.ErrConflict},
		{mr.Ref{Name: fraud}, mr.PromotionGate{}, mr.ErrInvalid},
	} {
		if _, err := r.SetGates(t.Context(), tc.ref, tc.gates, nil); !errors.Is(err, tc.want) {
			t.Errorf("%v: got %v, want %v", tc.ref, err, tc.want)
		}
	}
	if err := r.SetModelGates(t.Context(), mr.ModelName{UseCase: "u", Model: "none"}, mr.PromotionGate{}, nil); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("a missing model: %v", err)
	}
}

// Gates in an entry are another program's, as an entry keeps its bytes.
func TestSetGatesLeavesTheEntry(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	edit(t, modelPath(dir, "registry.json"), func(doc string) string {
		return strings.Replace(doc, `"version": "1.0.0"`, `"version": "1.0.0", "promotion_gates": {"min_auc": 0.5}`, 1)
	})
	if _, err := r.SetGates(t.Context(), fraud.At("1.0.0"), mr.PromotionGate{}, nil); !errors.Is(err, mr.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
}

// What a later release keeps of a version and of a model stays.
func TestSetGatesKeepsUnknownMembers(t *testing.T) {
	t.Parallel()
	dir := laterStore(t)
	r := openStore(t, dir, nil)
	if _, err := r.SetGates(t.Context(), fraud.At("1.0.1"), mr.MinMetric("auc", 0.7), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.SetModelGates(t.Context(), fraud, mr.MinMetric("auc", 0.6), &mr.GatesOptions{Reason: "stricter"}); err != nil {
		t.Fatal(err)
	}
	if err := r.SetModelGates(t.Context(), fraud, mr.MinMetric("auc", 0.6), nil); err != nil { // is stored already
		t.Fatal(err)
	}
	if e := newest(t, r); e.Op != mr.OpGates || e.Reason != "stricter" || mustJSON(t, e.ModelGates) != `{"min_auc":0.6}` {
		t.Errorf("the event is %s", mustJSON(t, e))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	for _, want := range []string{`"tags":{"team":"risk","seen":NaN},"source_revision":"c0ffee","manifest":"42ab16dc46d41996ca912b78a4797c90b159fd3a4047579b980faa3a2824ee48","gates":{"min_auc":0.7}`,
		`"aliases":{"champion":"1.0.0"}`, `"notes":{"text":"watch drift","psi":NaN}`, `"promotion_gates": {
    "min_auc": 0.6
  }`} {
		if !strings.Contains(doc, want) {
			t.Errorf("registry.json lacks %s:\n%s", want, doc)
		}
	}
	for _, withDocument := range []bool{true, false} {
		if !withDocument {
			if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
				t.Fatal(err)
			}
		}
		v, err := openStore(t, dir, nil).GetVersion(t.Context(), fraud.At("1.0.1"))
		if err != nil || mustJSON(t, v.Gates) != `{"min_auc":0.7}` || mustJSON(t, v.ModelGates) != `{"min_auc":0.6}` || len(v.Problems) > 0 {
			t.Errorf("with the document %t: %s, %s, %q, %v", withDocument, mustJSON(t, v.Gates), mustJSON(t, v.ModelGates), v.Problems, err)
		}
	}
}
