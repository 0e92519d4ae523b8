package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
)

// A PromotionCheck is the result of CheckPromotion: what a promotion would do.
type PromotionCheck struct {
	Version ModelVersion // the version to promote, as it is now
	To      ModelStage

	Allowed bool         // false if gates refuse the promotion
	Done    bool         // the version is in the stage already: nothing would change, and no gate was evaluated
	Gates   []GateResult // the result of every gate, in order
	// Archives is the version that the promotion would archive, empty for none.
	Archives string
}

// String returns the decision on one line, such as "fraud/Model@1.3.0 to
// production: refused: 1 of 2 gates to production failed: min_auc: …".
func (c PromotionCheck) String() string {
	text := c.Version.String() + " to " + string(c.To) + ": "
	switch {
	case c.Done:
		return text + "it is there already"
	case !c.Allowed:
		return text + "refused: " + (&GateError{Target: c.To, Results: c.Gates}).Error()
	case c.Archives != "":
		return text + "allowed, archives " + c.Archives
	}
	return text + "allowed"
}

// MarshalJSON returns all fields of the check, with the whole version.
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

// CheckPromotion decides as Promote with the same options would decide now. It
// changes and records nothing. It reads the artifact to check its digests, and
// evaluates every gate.
//
// If gates refuse the promotion, CheckPromotion returns no error, and Allowed
// is false. Any other obstacle is the error that Promote would return, such as
// a damaged artifact, a wrong direction or an IfProduction that does not hold.
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
	c.Gates, err = r.checkArtifactAndGates(ctx, m, mv, o, p)
	var refusal *GateError
	if errors.As(err, &refusal) {
		c.Allowed, err = false, nil
	}
	if err != nil {
		return PromotionCheck{}, err
	}
	return c, nil
}
