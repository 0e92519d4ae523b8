package modelregistry

import (
	"context"
	"errors"

	"github.com/ubunye-go/modelregistry/internal/gate"
)

// A PromotionGate is a set of conditions that a version must meet before it is
// promoted. The zero value has no condition, so every version passes. A
// PromotionGate is immutable and safe for concurrent use.
//
// In JSON and YAML, and for ParseGates, it is a map:
//
//	min_<metric>: number          the metric must be at least this
//	max_<metric>: number          the metric must be at most this
//	require_drift_check: bool     metadata's drift_check_passed must be true; false disables the gate
//	not_below_production: {<metric>: margin}   the metric must be at least production's less the margin
//	not_above_production: {<metric>: margin}   the metric must be at most production's plus the margin
//	not_below@<which>, not_above@<which>       the same against another version; see NotBelow
//
// A margin is a number, or a share of the other version's value such as "2%".
// The metric "auc/*" stands for every metric that the other version has and
// that begins with "auc/".
//
// Any other key is an error, so that a misspelt gate can't be ignored.
type PromotionGate struct {
	set gate.Set
}

// A GateFunc is a condition written in Go. It returns nil if the version
// passes, and otherwise an error that gives the reason. It is called again if
// the version changes before it is moved. It must return when its context ends,
// because the promotion waits for it.
type GateFunc func(ctx context.Context, v ModelVersion) error

// A GateResult is the result of one gate.
type GateResult struct {
	Name      string
	Passed    bool
	Message   string
	Actual    any // the version's value, nil if it has none
	Threshold any // the required value, nil for a GateFunc

	// A gate that compares with another version also has these.
	Baseline      string // the version that was compared with; with the model's name if that is another one
	BaselineValue any    // that version's value, nil if it has none
	Margin        any    // a json.Number, or a share such as "2%"
}

// MarshalJSON writes NaN and infinite values as null, because JSON has no form
// for them.
func (r GateResult) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"name": r.Name, "passed": r.Passed, "message": r.Message, "actual": r.Actual, "threshold": r.Threshold}
	if r.Margin != nil {
		fields["baseline"], fields["baseline_value"], fields["margin"] = r.Baseline, r.BaselineValue, r.Margin
	}
	return finiteJSON(fields)
}

// MinMetric returns a gate that requires a metric to be at least threshold. It
// panics if threshold is not finite or metric is empty.
func MinMetric(metric string, threshold float64) PromotionGate {
	return must(ParseGates(map[string]any{"min_" + metric: threshold}))
}

// MaxMetric returns a gate that requires a metric to be at most threshold. It
// panics if threshold is not finite or metric is empty.
func MaxMetric(metric string, threshold float64) PromotionGate {
	return must(ParseGates(map[string]any{"max_" + metric: threshold}))
}

func must(g PromotionGate, err error) PromotionGate {
	if err != nil {
		panic(err)
	}
	return g
}

// RequireDriftCheck returns a gate that requires drift_check_passed to be true
// in the metadata. Only the boolean true passes.
func RequireDriftCheck() PromotionGate { return PromotionGate{gate.DriftCheck()} }

// GateOf returns a gate that calls fn. It can be passed to Promote, and it
// can't be stored with a version. If fn is nil, no version passes. GateOf
// panics if name is empty.
func GateOf(name string, fn GateFunc) PromotionGate {
	if name == "" {
		panic("modelregistry: a gate needs a name")
	}
	return PromotionGate{gate.Func(name, func(ctx context.Context, version any) error {
		if fn == nil {
			return errors.New("the gate has no function")
		}
		return fn(ctx, version.(ModelVersion))
	})}
}

// Gates joins several sets of conditions into one. A version must meet all of
// them. A condition that is in several sets is evaluated once.
func Gates(gates ...PromotionGate) PromotionGate {
	sets := make([]gate.Set, len(gates))
	for i, g := range gates {
		sets[i] = g.set
	}
	return PromotionGate{gate.Join(sets...)}
}

// ParseGates reads gates from a map, as a configuration has it. A threshold may
// be any Go number or a json.Number, and the value of require_drift_check is a
// bool. not_below_production and its kind have a map from metric to margin. The
// gates are sorted by name. The error matches ErrInvalid and names every bad
// gate.
func ParseGates(config map[string]any) (PromotionGate, error) {
	return parsed(gate.Parse(config))
}

func parsed(set gate.Set, err error) (PromotionGate, error) {
	if err == nil {
		err = checkBaselines(set)
	}
	if err != nil {
		return PromotionGate{}, invalid("gates: %v", err)
	}
	return PromotionGate{set}, nil
}

// Evaluate checks a version against every gate and returns a result for each
// gate, in order. If a GateFunc panics, its gate fails. A gate that compares
// with another version fails, too, because only a promotion reads that version;
// see CheckPromotion.
func (g PromotionGate) Evaluate(ctx context.Context, v ModelVersion) []GateResult {
	return publicResults(g.set.Evaluate(ctx, gate.Candidate{Metrics: v.Metrics, Metadata: v.Metadata, Version: v}))
}

// String lists the gates as "min_auc=0.85, require_drift_check=true". A gate
// that is a function is its name.
func (g PromotionGate) String() string { return g.set.String() }

// Len returns the number of gates.
func (g PromotionGate) Len() int { return g.set.Len() }

// MarshalJSON returns the map that UnmarshalJSON reads. It fails if a gate is a
// function or if two gates have the same name.
func (g PromotionGate) MarshalJSON() ([]byte, error) { return g.set.JSON() }

// UnmarshalJSON reads a map of gates as ParseGates does. A key that is given
// twice is an error.
func (g *PromotionGate) UnmarshalJSON(data []byte) error {
	read, err := parsed(gate.ParseJSON(data))
	if err == nil {
		*g = read
	}
	return err
}

// UnmarshalYAML reads a map of gates as ParseGates does. It works with every
// YAML library that supports this form of the method.
func (g *PromotionGate) UnmarshalYAML(unmarshal func(any) error) error {
	var config map[string]any
	if err := unmarshal(&config); err != nil {
		return err
	}
	read, err := ParseGates(config)
	if err == nil {
		*g = read
	}
	return err
}

// MarshalYAML returns the map that UnmarshalYAML reads. It fails as MarshalJSON
// does, and if a number has more digits than a float64.
func (g PromotionGate) MarshalYAML() (any, error) {
	gates, err := g.set.YAML()
	if err != nil {
		return nil, invalid("gates: %v", err)
	}
	return gates, nil
}

// IsZero reports whether there is no gate. With omitzero in JSON and omitempty
// in YAML, a member without gates is left out.
func (g PromotionGate) IsZero() bool { return g.Len() == 0 }

// publicResults returns results as callers see them, nil for nil.
func publicResults(results []gate.Result) []GateResult {
	if results == nil {
		return nil
	}
	public := make([]GateResult, len(results))
	for i, r := range results {
		public[i] = GateResult(r)
	}
	return public
}

// encodeResults encodes results for an event, as gate.EncodeResults does.
func encodeResults(public []GateResult) ([]byte, error) {
	if public == nil {
		return nil, nil
	}
	results := make([]gate.Result, len(public))
	for i, r := range public {
		results[i] = gate.Result(r)
	}
	return gate.EncodeResults(results)
}
