package modelregistry

import (
	"fmt"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/gate"
)

// NotBelowProduction returns a gate that requires a metric to be at least that
// of the version in production less a margin. The margin is a number of any Go
// type, a json.Number, or a share of production's value such as "2%". The
// arithmetic is exact: 0.91 less 0.01 is 0.90.
//
// If no version is in production, the last one that was there counts, also if
// it was deleted. If there never was one, every version that has the metric
// passes. If another version enters production before the promotion is
// committed, the gate is evaluated again.
//
// The metric "auc/*" stands for every metric of production that begins with
// "auc/". NotBelowProduction panics if the metric is empty or the margin is
// negative or not finite.
func NotBelowProduction(metric string, margin any) PromotionGate {
	return relative("not_below_production", metric, margin)
}

// NotAboveProduction is like NotBelowProduction, and requires the metric to be
// at most that of the version in production plus the margin.
func NotAboveProduction(metric string, margin any) PromotionGate {
	return relative("not_above_production", metric, margin)
}

// NotBelow is like NotBelowProduction, and compares with the version that ref
// means at the promotion. If there is none, no version passes. ref may be of
// another model; the gate then can't be stored, and it sees that model as it
// was just before the promotion. NotBelow also panics if ref has no text form.
func NotBelow(ref Ref, metric string, margin any) PromotionGate {
	return relative("not_below@"+textForm(ref), metric, margin)
}

// NotAbove is like NotBelow, and requires the metric to be at most that of the
// other version plus the margin.
func NotAbove(ref Ref, metric string, margin any) PromotionGate {
	return relative("not_above@"+textForm(ref), metric, margin)
}

func relative(key, metric string, margin any) PromotionGate {
	return must(ParseGates(map[string]any{key: map[string]any{metric: margin}}))
}

func textForm(ref Ref) string {
	text, err := ref.MarshalText()
	if err != nil {
		panic(err)
	}
	return string(text)
}

// baselineRef returns the reference of a gate of a model, or of a promotion of
// the model. The text is that of a Ref, or only the part after its "@".
func baselineRef(name ModelName, text string) (Ref, error) {
	if strings.Contains(text, "@") {
		return ParseRef(text)
	}
	ref := name.which(text)
	return ref, ref.check()
}

// checkBaselines returns an error if a gate has a reference that can't be read.
func checkBaselines(set gate.Set) error {
	for _, text := range set.Baselines() {
		if _, err := baselineRef(ModelName{}, text); err != nil {
			return fmt.Errorf("baseline %s: %w", text, err)
		}
	}
	return nil
}

// encodeGates returns gates in the form in which they are stored for a model.
// They don't name the model, so that they mean the same when it is copied under
// another name.
func encodeGates(name ModelName, gates PromotionGate) ([]byte, error) {
	gates = Gates(PromotionGate{gates.set.Rename(func(text string) string {
		if ref, err := baselineRef(name, text); err == nil && ref.Name == name {
			return ref.what()
		}
		return text
	})})
	for _, text := range gates.set.Baselines() {
		if ref, err := baselineRef(name, text); err != nil {
			return nil, err
		} else if ref.Name != name {
			return nil, invalid("stored gates: one compares with %s, which is another model; give it with each promotion", ref)
		}
	}
	raw, err := gates.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("%w stored gates: %w", ErrInvalid, err)
	}
	return raw, nil
}
