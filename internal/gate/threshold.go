package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/decimal"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A threshold requires a metric to be at least or at most a number.
type threshold struct {
	metric string
	atMost bool
	limit  json.Number
}

// newThreshold reads the limit of a threshold, which may be any Go number or a
// json.Number.
func newThreshold(metric string, atMost bool, limit any) (t threshold, err error) {
	raw, err := pyjson.Marshal(limit, true)
	if err != nil {
		return t, err
	}
	decoded, err := pyjson.Decode(raw)
	if err != nil {
		return t, err
	}
	n, ok := decoded.(json.Number)
	if !ok {
		return t, fmt.Errorf("threshold %s is not a number", excerpt(string(raw)))
	}
	if _, err := exact(n); err != nil {
		return t, fmt.Errorf("threshold %s: %w", excerpt(string(n)), err)
	}
	return threshold{metric, atMost, n}, nil
}

func (t threshold) value() []byte { return []byte(t.limit) }

func (t threshold) evaluate(_ context.Context, c Candidate) Result {
	actual, found := c.Metrics.Get(t.metric)
	res := Result{Actual: actual, Threshold: t.limit}
	n, isNumber := actual.(json.Number)
	switch {
	case !found:
		res.Message = fmt.Sprintf("metric %s is missing", t.metric)
		return res
	case !isNumber:
		res.Message = fmt.Sprintf("metric %s is not a number: %s", t.metric, asJSON(actual))
		return res
	}
	value, err := exact(n)
	if err != nil {
		res.Message = fmt.Sprintf("metric %s is %s: %v", t.metric, excerpt(string(n)), err)
		return res
	}
	limit, err := exact(t.limit)
	if err != nil { // impossible: newThreshold has checked the limit
		res.Message = err.Error()
		return res
	}
	var sign string
	res.Passed, sign = compare(value, limit, t.atMost)
	res.Message = fmt.Sprintf("%s %s %s %s", t.metric, excerpt(string(n)), sign, excerpt(string(t.limit)))
	return res
}

// compare reports whether a value is at least, or at most, a limit, and returns
// the sign between the two in a message.
func compare(value, limit *big.Rat, atMost bool) (holds bool, sign string) {
	switch order := value.Cmp(limit); {
	case atMost && order <= 0:
		return true, "<="
	case atMost:
		return false, ">"
	case order >= 0:
		return true, ">="
	}
	return false, "<"
}

// stricter reports whether a is stricter than b, where both are conditions of
// gates with the same name. Only thresholds and margins differ in strictness.
func stricter(a, b condition) bool {
	if r, is := a.(relative); is {
		o, same := b.(relative)
		return same && r.stricterThan(o)
	}
	x, okX := a.(threshold)
	y, okY := b.(threshold)
	if !okX || !okY {
		return false
	}
	limitX, errX := exact(x.limit)
	limitY, errY := exact(y.limit)
	if errX != nil || errY != nil { // impossible: newThreshold has checked them
		return false
	}
	if x.atMost {
		limitX, limitY = limitY, limitX
	}
	return limitX.Cmp(limitY) > 0
}

// exact returns the value by which a number is compared: the exact value of an
// integer, and the nearest float64 of any other number.
func exact(n json.Number) (*big.Rat, error) {
	if !strings.ContainsAny(string(n), ".eEN") && n != "Infinity" && n != "-Infinity" {
		if len(n) > decimal.MaxDigits {
			return nil, fmt.Errorf("it has more than %d digits", decimal.MaxDigits)
		}
		if i, ok := new(big.Int).SetString(string(n), 10); ok {
			return new(big.Rat).SetInt(i), nil
		}
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, pyjson.ErrNonFinite
	}
	return new(big.Rat).SetFloat64(f), nil
}
