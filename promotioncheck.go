package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
)

// A PromotionCheck says what a promotion would do.
type PromotionCheck struct {
	Version ModelVersion // that it would move, as it is now
	To      ModelStage

	Allowed bool         // else gates refuse it
	Done    bool         // the version is there already: nothing would change, and no gate was asked
	Gates   []GateResult // of every gate, in order
	// Archives is the version that would leave production for it, empty for
	// none.
	Archives string
}

// MarshalJSON returns the check, and the version in full.
func (c PromotionCheck) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Version  ModelVersion `json:"version"`
		To       ModelStage   `json:"to"`
		Allowed  bool         `json:"allowed"`
		Done     bool         `json:"done"`
		Gates    []GateResult `json:"gates"`
		Archives *string      `json:"archives"`
	}{c.Version, c.To, c.Allowed, c.Done, append([]GateResult{}, c.Gates...), textOrNull(c.Archives)})
}

// CheckPromotion decides what Promote would decide now, with the same options,
// and changes and records nothing. It reads the artifact to check its digests,
// and asks every gate.
//
// A refusal by gates is in the answer. Whatever else stands in the way of the
// promotion is the error that Promote would return: the artifact is damaged,
// the direction is wrong, or IfProduction does not hold.
func (r *ModelRegistry) CheckPromotion(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (c PromotionCheck, err error) {
	mv, subject := promotion(ref, to), ref
	defer func() { err = opError("check promotion", subject, err) }()
	m, o, err := r.begin(mv, opts)
	if err != nil {
		return c, err
	}
	p, err := mv.plan(ctx, m, o)
	subject = p.subject
	if err != nil {
		return c, err
	}
	c = PromotionCheck{Version: p.version, To: to, Allowed: true, Done: p.done, Archives: p.archives}
	if p.done {
		return c, nil
	}
	c.Gates, err = r.prove(ctx, mv, o, p.version)
	var refusal *GateError
	if errors.As(err, &refusal) {
		c.Allowed, err = false, nil
	}
	if err != nil {
		return PromotionCheck{}, err
	}
	return c, nil
}
