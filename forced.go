package modelregistry

import (
	"context"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Ubunye since 0.7 can promote a version although gates fail. It then writes
// these two into the version's metadata, and never takes them out again.
const (
	promotionForced  = "promotion_forced"
	promotionSkipped = "promotion_gates_skipped"
)

// forcedChange reports whether another program's change of an entry is a forced
// promotion, and what the gates that it skipped find of the version. The marks
// stay in the metadata, so marks that were there before say nothing by
// themselves: the promotion counts as forced if the gates that they name would
// have held it back.
func forcedChange(before, after []byte) (skipped []GateResult, forced bool) {
	now := decodeEntry(ModelName{}, "", after)
	if mark, _ := now.Metadata.Get(promotionForced); mark != true {
		return nil, false
	}
	was := decodeEntry(ModelName{}, "", before)
	gates := storedGates(promotionSkipped, index.Value(now.Metadata.raw, promotionSkipped))
	skipped = gates.Evaluate(context.Background(), now)
	if mark, _ := was.Metadata.Get(promotionForced); mark != true ||
		!pyjson.Equal(index.Value(was.Metadata.raw, promotionSkipped), index.Value(now.Metadata.raw, promotionSkipped)) {
		return skipped, true
	}
	moved := !now.PromotedToStaging.Equal(was.PromotedToStaging) || !now.PromotedToProduction.Equal(was.PromotedToProduction)
	return skipped, moved && len((&GateError{Results: skipped}).Failed()) > 0
}

// A retrospect is the model after some events, as far as the history needs it.
type retrospect struct {
	stages  map[string]ModelStage
	entries map[string][]byte // raw
	gates   PromotionGate     // of the model
}

func newRetrospect() *retrospect {
	return &retrospect{stages: map[string]ModelStage{}, entries: map[string][]byte{}}
}

// change returns how an event changed the entry of a version, and applies it.
func (r *retrospect) change(e *index.Event, im index.Image, to ModelStage) Change {
	c := Change{Version: im.Version, From: r.stages[im.Version], To: to, Reused: slices.Contains(e.Reused, im.Version)}
	if e.Op == index.OpForeign || e.Op == index.OpImport {
		if c.SkippedGates, c.Forced = forcedChange(r.entries[im.Version], im.Raw); !c.Forced {
			c.SkippedGates = nil
		}
	}
	r.stages[im.Version], r.entries[im.Version] = to, im.Raw
	return c
}

// remove takes in that a version's entry is no longer there.
func (r *retrospect) remove(version string) {
	delete(r.stages, version)
	delete(r.entries, version)
}

// modelGates returns the model's gates after an event if it changed them, else
// nil.
func (r *retrospect) modelGates(e *index.Event) *PromotionGate {
	if e.Model == nil {
		return nil
	}
	gates := factsGates(index.ReadFacts(e.Model))
	if gates.same(r.gates) {
		return nil
	}
	r.gates = gates
	shown := gates.storable() // of two of one name, one
	return &shown
}
