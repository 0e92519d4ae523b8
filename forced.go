package modelregistry

import (
	"context"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Ubunye 0.7 and later can promote a version although gates fail. They then
// write these two keys into the version's metadata, and never remove them.
const (
	promotionForced  = "promotion_forced"
	promotionSkipped = "promotion_gates_skipped"
)

// forcedChange reports whether another program's change of an entry is a forced
// promotion, and returns the results of the gates that it skipped. The marks
// stay in the metadata for ever. So if they were there before, a promotion
// counts as forced only if one of the gates that they name fails now.
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

// A pastState is a model after some of its events, as far as History needs it.
type pastState struct {
	stages  map[string]ModelStage
	entries map[string][]byte // raw
	gates   PromotionGate     // the model's

	productive map[string]bool // the versions whose stage is production
}

func newPastState() *pastState {
	return &pastState{stages: map[string]ModelStage{}, entries: map[string][]byte{}, productive: map[string]bool{}}
}

// change returns how an event changed the entry of a version, and applies it.
func (r *pastState) change(e *index.Event, im index.Image, to ModelStage) Change {
	c := Change{Version: im.Version, From: r.stages[im.Version], To: to, Reused: slices.Contains(e.Reused, im.Version)}
	if e.Op == index.OpForeign || e.Op == index.OpImport {
		if c.SkippedGates, c.Forced = forcedChange(r.entries[im.Version], im.Raw); !c.Forced {
			c.SkippedGates = nil
		}
	}
	r.stages[im.Version], r.entries[im.Version] = to, im.Raw
	if delete(r.productive, im.Version); to == Production {
		r.productive[im.Version] = true
	}
	return c
}

// noteBeside sets Beside in the changes of an event that was applied.
func (r *pastState) noteBeside(changes []Change) {
	if len(r.productive) < 2 {
		return
	}
	all := slices.SortedFunc(maps.Keys(r.productive), index.CompareVersions)
	for i := range changes {
		if c := &changes[i]; c.To == Production {
			c.Beside = slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == c.Version })
		}
	}
}

// remove applies the removal of a version's entry.
func (r *pastState) remove(version string) {
	delete(r.stages, version)
	delete(r.entries, version)
	delete(r.productive, version)
}

// versionGates returns the gates that an event stored with its version, or nil
// if it did not set any.
func versionGates(e *index.Event) *PromotionGate {
	if e.Op != index.OpGates || e.Version == "" {
		return nil
	}
	for _, im := range e.After {
		if im.Version == e.Version {
			x, err := index.ReadExtra(im.Extra)
			if err != nil {
				return nil
			}
			gates := storedGates("gates", x.Gates).storable()
			return &gates
		}
	}
	return nil
}

// modelGates returns the model's gates after an event, or nil if the event did
// not change them.
func (r *pastState) modelGates(e *index.Event) *PromotionGate {
	if e.Model == nil {
		return nil
	}
	gates := factsGates(index.ReadFacts(e.Model))
	if gates.same(r.gates) {
		return nil
	}
	r.gates = gates
	shown := gates.storable() // only one gate of each name
	return &shown
}
