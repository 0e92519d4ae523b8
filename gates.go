package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// driftCheck is the name of the gate without a metric. driftPassed is the key
// in the metadata that it reads. The format defines both.
const (
	driftCheck  = "require_drift_check"
	driftPassed = "drift_check_passed"
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
//
// Any other key is an error, so that a misspelt gate can't be ignored.
type PromotionGate struct {
	rules []rule
}

// A GateFunc is a condition written in Go. It returns nil if the version
// passes, and otherwise an error that gives the reason. It is called again if
// the version changes before it is moved. It must return when its context ends,
// because the promotion waits for it.
type GateFunc func(ctx context.Context, v ModelVersion) error

type rule struct {
	name      string // min_auc
	metric    string // auc; empty for a function and for the drift check
	threshold json.Number
	fn        GateFunc

	err error  // why a stored gate can't be read; nil for a gate that can
	raw string // the stored value of a gate that can't be read
}

// A GateResult is the result of one gate.
type GateResult struct {
	Name      string
	Passed    bool
	Message   string
	Actual    any // the version's value, nil if it has none
	Threshold any // the required value, nil for a GateFunc
}

// MarshalJSON writes NaN and infinite values as null, because JSON has no form
// for them.
func (r GateResult) MarshalJSON() ([]byte, error) {
	return finiteJSON(map[string]any{"name": r.Name, "passed": r.Passed, "message": r.Message,
		"actual": r.Actual, "threshold": r.Threshold})
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

// RequireDriftCheck returns a gate that requires drift_check_passed to be true
// in the metadata. Only the boolean true passes.
func RequireDriftCheck() PromotionGate {
	return PromotionGate{rules: []rule{{name: driftCheck}}}
}

// GateOf returns a gate that calls fn. It can be passed to Promote, and it
// can't be stored with a version. If fn is nil, no version passes. GateOf
// panics if name is empty.
func GateOf(name string, fn GateFunc) PromotionGate {
	if name == "" {
		panic("modelregistry: a gate needs a name")
	}
	if fn == nil {
		fn = func(context.Context, ModelVersion) error { return errors.New("the gate has no function") }
	}
	return PromotionGate{rules: []rule{{name: name, fn: fn}}}
}

// Gates joins several sets of conditions into one. A version must meet all of
// them. A condition that is in several sets is evaluated once.
func Gates(gates ...PromotionGate) PromotionGate {
	var all PromotionGate
	for _, g := range gates {
		for _, r := range g.rules {
			if !slices.ContainsFunc(all.rules, r.same) {
				all.rules = append(all.rules, r)
			}
		}
	}
	return all
}

// custom reports whether one of the gates is a function.
func (g PromotionGate) custom() bool {
	return slices.ContainsFunc(g.rules, func(r rule) bool { return r.fn != nil })
}

// same reports whether two rules are the same condition. It is false if one is
// a function, because Go functions can't be compared.
func (r rule) same(o rule) bool {
	return r.fn == nil && o.fn == nil && r.name == o.name && r.threshold == o.threshold && r.raw == o.raw
}

func must(g PromotionGate, err error) PromotionGate {
	if err != nil {
		panic(err)
	}
	return g
}

// ParseGates reads gates from a map, as a configuration has it. A threshold may
// be any Go number or a json.Number, and the value of require_drift_check is a
// bool. The gates are sorted by name. The error matches ErrInvalid and names
// every bad gate.
func ParseGates(config map[string]any) (PromotionGate, error) {
	var g PromotionGate
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(config)) {
		r, ok, err := parseRule(name, config[name])
		if err != nil {
			bad = append(bad, err.Error())
		} else if ok {
			g.rules = append(g.rules, r)
		}
	}
	if bad != nil {
		return PromotionGate{}, invalid("gates: %s", strings.Join(bad, "; "))
	}
	return g, nil
}

func parseRule(name string, value any) (r rule, ok bool, err error) {
	r.name = name
	if !utf8.ValidString(name) { // JSON can't hold it unchanged
		return r, false, fmt.Errorf("gate %q is not UTF-8", name)
	}
	if name == driftCheck {
		on, isBool := value.(bool)
		if !isBool {
			return r, false, fmt.Errorf("%s: %v is not true or false", name, value)
		}
		return r, on, nil
	}
	minMetric, isMin := strings.CutPrefix(name, "min_")
	maxMetric, isMax := strings.CutPrefix(name, "max_")
	switch {
	case isMin:
		r.metric = minMetric
	case isMax:
		r.metric = maxMetric
	}
	if r.metric == "" {
		return r, false, fmt.Errorf("unknown gate %q (want min_<metric>, max_<metric> or %s)", name, driftCheck)
	}
	r.threshold, err = threshold(value)
	if err != nil {
		return r, false, fmt.Errorf("%s: %w", name, err)
	}
	return r, true, nil
}

func threshold(value any) (json.Number, error) {
	raw, err := pyjson.Marshal(value, true)
	if err != nil {
		return "", err
	}
	decoded, err := pyjson.Decode(raw)
	if err != nil {
		return "", err
	}
	n, ok := decoded.(json.Number)
	if !ok {
		return "", fmt.Errorf("threshold %s is not a number", excerpt(string(raw)))
	}
	if _, err := exact(n); err != nil {
		return "", fmt.Errorf("threshold %s: %w", excerpt(string(n)), err)
	}
	return n, nil
}

// String lists the gates as "min_auc=0.85, require_drift_check=true". A gate
// that is a function is its name.
func (g PromotionGate) String() string {
	list := make([]string, len(g.rules))
	for i, r := range g.rules {
		switch {
		case r.err != nil:
			list[i] = r.name + "=" + r.raw
		case r.fn != nil:
			list[i] = r.name
		case r.metric == "":
			list[i] = r.name + "=true"
		default:
			list[i] = r.name + "=" + string(r.threshold)
		}
	}
	return strings.Join(list, ", ")
}

// Len returns the number of gates.
func (g PromotionGate) Len() int { return len(g.rules) }

// MarshalJSON returns the map that UnmarshalJSON reads. It fails if a gate is a
// function or if two gates have the same name.
func (g PromotionGate) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	seen := map[string]bool{}
	for i, r := range g.rules {
		if r.fn != nil {
			return nil, fmt.Errorf("gate %s is a function, which has no JSON form", r.name)
		}
		if seen[r.name] {
			return nil, fmt.Errorf("gate %s is given twice", r.name)
		}
		seen[r.name] = true
		if i > 0 {
			b = append(b, ',')
		}
		b = append(pyjson.AppendString(b, r.name), ':')
		switch {
		case r.err != nil:
			b = r.appendStored(b)
		case r.metric == "":
			b = append(b, "true"...)
		default:
			b = append(b, r.threshold...)
		}
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads a map of gates as ParseGates does. A key that is given
// twice is an error.
func (g *PromotionGate) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*g = PromotionGate{}
		return nil
	}
	members, err := pyjson.Object(data)
	if err != nil {
		return invalid("gates: %v", err)
	}
	config := make(map[string]any, len(members))
	for _, m := range members {
		if _, twice := config[m.Key]; twice {
			return invalid("gates: %s is given twice", m.Key)
		}
		if config[m.Key], err = pyjson.Decode(m.Value); err != nil {
			return invalid("gates: %v", err)
		}
	}
	parsed, err := ParseGates(config)
	if err == nil {
		*g = parsed
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
	parsed, err := ParseGates(config)
	if err == nil {
		*g = parsed
	}
	return err
}
