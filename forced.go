package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/internal/check"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/timeline"
)

// Ubunye 0.7 and later can promote a version although gates fail. They then
// write these two keys into the version's metadata, and never remove them.
const (
	promotionForced  = "promotion_forced"
	promotionSkipped = "promotion_gates_skipped"
)

// evaluateIn evaluates gates for a version that another program promoted. A
// gate compares with the version that left production in the same event. A gate
// that compares with another version, or if none left, is left out, because the
// event does not say what it would have seen.
func evaluateIn(e *timeline.Event, gates gate.Set, v ModelVersion) []GateResult {
	known := map[string]gate.Baseline{}
	for _, c := range e.Changes {
		if c.From == index.Production && c.To != index.Production && c.Before != nil && c.Version != v.Version {
			known[gate.Production] = gate.Baseline{Version: c.Version, Name: "production " + c.Version,
				Metrics: Values{index.ReadFields(c.Version, c.Before).Metrics}}
		}
	}
	return publicResults(gates.Decidable(known).Evaluate(context.Background(),
		gate.Candidate{Metrics: v.Metrics, Metadata: v.Metadata, Version: v, Baselines: known}))
}

// missedGates returns the results of the stored gates that would have refused a
// version that another program promoted. Other programs know only some gates.
func missedGates(e *timeline.Event, c timeline.Change) []GateResult {
	if c.To != index.Production && c.To != index.Staging || c.From == c.To || rank[ModelStage(c.From)] > rank[ModelStage(c.To)] {
		return nil
	}
	facts := e.ModelBefore
	if e.Model != nil {
		facts = e.Model
	}
	gates := factsGates(index.ReadFacts(facts))
	for _, im := range e.After {
		if x, err := index.ReadExtra(im.Extra); err == nil && im.Version == c.Version {
			gates = gate.Join(gates, gate.Stored("gates", x.Gates))
		}
	}
	v := decodeEntry(ModelName{}, c.Version, c.After)
	return (&GateError{Results: evaluateIn(e, gates, v)}).Failed()
}

// missedInProduction returns a finding if another program promoted the version
// in production past stored gates, and the history has recorded that.
func missedInProduction(ctx context.Context, m *engine.Model, s *engine.State) []check.Finding {
	e := s.Holder(index.Production)
	if e == nil || e.Entered == 0 || gate.Join(factsGates(s.Facts), newVersion(ModelName{}, e).Gates.set).Len() == 0 {
		return nil
	}
	for ev, err := range timeline.Events(ctx, m, timeline.Query{After: e.Entered - 1}) {
		if err != nil || ev.Number > e.Entered {
			return nil // the check of the history reports damage
		}
		for _, c := range publicEvent(ModelName(m.Name), &ev).Changes {
			if c.Version == e.Version && len(c.MissedGates) > 0 {
				return []check.Finding{{Kind: check.GatesMissed, Version: e.Version, Event: ev.Number,
					Err: &GateError{Target: Production, Results: c.MissedGates}}}
			}
		}
	}
	return nil
}

// forcedChange reports whether another program's change of an entry is a forced
// promotion, and returns the results of the gates that it skipped. The marks
// stay in the metadata for ever. So if they were there before, a promotion
// counts as forced only if one of the gates that they name fails now.
func forcedChange(e *timeline.Event, c timeline.Change) (skipped []GateResult, forced bool) {
	now := decodeEntry(ModelName{}, c.Version, c.After)
	if mark, _ := now.Metadata.Get(promotionForced); mark != true {
		return nil, false
	}
	was := decodeEntry(ModelName{}, c.Version, c.Before)
	skipped = evaluateIn(e, gate.Stored(promotionSkipped, index.Value(now.Metadata.raw, promotionSkipped)), now)
	if mark, _ := was.Metadata.Get(promotionForced); mark != true ||
		!pyjson.Equal(index.Value(was.Metadata.raw, promotionSkipped), index.Value(now.Metadata.raw, promotionSkipped)) {
		return skipped, true
	}
	moved := !now.PromotedToStaging.Equal(was.PromotedToStaging) || !now.PromotedToProduction.Equal(was.PromotedToProduction)
	return skipped, moved && len((&GateError{Results: skipped}).Failed()) > 0
}
