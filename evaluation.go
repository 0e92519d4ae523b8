package modelregistry

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Evaluate checks a version against every gate and returns a result for each
// gate, in order. If a GateFunc panics, its gate fails.
func (g PromotionGate) Evaluate(ctx context.Context, v ModelVersion) []GateResult {
	results := make([]GateResult, len(g.rules))
	for i, r := range g.rules {
		results[i] = r.evaluate(ctx, v)
	}
	return results
}

func (r rule) evaluate(ctx context.Context, v ModelVersion) GateResult {
	switch {
	case r.err != nil:
		return r.refuse()
	case r.fn != nil:
		return r.call(ctx, v)
	case r.metric == "":
		return r.drift(v.Metadata)
	}
	return r.compare(v.Metrics)
}

func (r rule) call(ctx context.Context, v ModelVersion) (res GateResult) {
	res.Name = r.name
	defer func() {
		if p := recover(); p != nil {
			res.Passed, res.Message = false, fmt.Sprintf("the gate panicked: %v", p)
		}
	}()
	if err := r.fn(ctx, v); err != nil {
		res.Message = err.Error()
		return res
	}
	res.Passed, res.Message = true, "passed"
	return res
}

func (r rule) drift(metadata Values) GateResult {
	actual, found := metadata.Get(driftPassed)
	res := GateResult{Name: r.name, Actual: actual, Threshold: true, Passed: actual == true}
	switch {
	case res.Passed:
		res.Message = "drift check passed"
	case !found:
		res.Message = "metadata has no " + driftPassed
	default:
		res.Message = fmt.Sprintf("metadata's %s is %s, not true", driftPassed, asJSON(actual))
	}
	return res
}

func (r rule) compare(metrics Values) GateResult {
	actual, found := metrics.Get(r.metric)
	res := GateResult{Name: r.name, Actual: actual, Threshold: r.threshold}
	n, isNumber := actual.(json.Number)
	switch {
	case !found:
		res.Message = fmt.Sprintf("metric %s is missing", r.metric)
		return res
	case !isNumber:
		res.Message = fmt.Sprintf("metric %s is not a number: %s", r.metric, asJSON(actual))
		return res
	}
	value, err := exact(n)
	if err != nil {
		res.Message = fmt.Sprintf("metric %s is %s: %v", r.metric, excerpt(string(n)), err)
		return res
	}
	limit, err := exact(r.threshold)
	if err != nil { // impossible: parseRule has checked the threshold
		res.Message = err.Error()
		return res
	}
	order, fails, holds := value.Cmp(limit), "<", ">="
	if strings.HasPrefix(r.name, "max_") {
		order, fails, holds = -order, ">", "<="
	}
	res.Passed = order >= 0
	sign := fails
	if res.Passed {
		sign = holds
	}
	res.Message = fmt.Sprintf("%s %s %s %s", r.metric, excerpt(string(n)), sign, excerpt(string(r.threshold)))
	return res
}

// asJSON formats a value as JSON, so that the string "1" and the number 1 look
// different.
func asJSON(v any) string {
	raw, err := pyjson.Marshal(v, false)
	if err != nil {
		return fmt.Sprint(v)
	}
	return excerpt(string(raw))
}

// excerpt returns a value as it stands in a message. A long value is cut.
func excerpt(s string) string {
	const most = 500 // bytes, enough for every integer that a float64 can be near
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("… (%d bytes)", len(s))
}

// maxDigits bounds the integers that are compared exactly.
const maxDigits = 4096

// exact returns the value by which a number is compared: the exact value of an
// integer, and the nearest float64 of any other number.
func exact(n json.Number) (*big.Rat, error) {
	if !strings.ContainsAny(string(n), ".eEN") && n != "Infinity" && n != "-Infinity" {
		if len(n) > maxDigits {
			return nil, fmt.Errorf("it has more than %d digits", maxDigits)
		}
		if i, ok := new(big.Int).SetString(string(n), 10); ok {
			return new(big.Rat).SetInt(i), nil
		}
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, ErrNonFinite
	}
	return new(big.Rat).SetFloat64(f), nil
}
