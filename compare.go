package modelregistry

import (
	"context"
	"encoding/json"
	"math"
	"math/big"
	"slices"
)

// A Comparison sets two versions of a model side by side.
type Comparison struct {
	A       ModelVersion       `json:"a"`
	B       ModelVersion       `json:"b"`
	Metrics []MetricComparison `json:"metrics"` // every metric that either has, sorted by name
}

// A MetricComparison is one metric of two versions. A value is nil where the
// version lacks the metric; Delta is nil unless both are finite numbers.
type MetricComparison struct {
	Name  string
	A     any
	B     any
	Delta *float64 // B - A, unrounded
}

// MarshalJSON writes a non-finite value, for which JSON has no form, as null.
func (m MetricComparison) MarshalJSON() ([]byte, error) {
	return finiteJSON(map[string]any{"name": m.Name, "a": m.A, "b": m.B, "delta": m.Delta})
}

// CompareVersions returns two versions of a model and the difference of their
// metrics.
func (r *ModelRegistry) CompareVersions(ctx context.Context, name ModelName, a, b string) (*Comparison, error) {
	c, subject := &Comparison{}, a
	if a == "" || b == "" {
		return nil, opError("compare", name, "", invalid("version: it is empty"))
	}
	m, err := r.model(name)
	if err == nil {
		err = m.look(ctx, func(s *state) (err error) { // both as they are at one moment
			if c.A, err = name.At(a).in(s); err != nil {
				return err
			}
			subject = b
			c.B, err = name.At(b).in(s)
			return err
		})
	}
	if err != nil {
		return nil, opError("compare", name, subject, err)
	}
	x, y := c.A.Metrics.Map(), c.B.Metrics.Map()
	names := make([]string, 0, len(x))
	for n := range x {
		names = append(names, n)
	}
	for n := range y {
		if _, both := x[n]; !both {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	c.Metrics = make([]MetricComparison, len(names))
	for i, n := range names {
		c.Metrics[i] = MetricComparison{Name: n, A: x[n], B: y[n], Delta: delta(x[n], y[n])}
	}
	return c, nil
}

// delta subtracts as float64 does; integers, which may be beyond its reach,
// exactly.
func delta(a, b any) *float64 {
	x, okA := a.(json.Number)
	y, okB := b.(json.Number)
	if !okA || !okB {
		return nil
	}
	i, isIntA := new(big.Int).SetString(string(x), 10)
	j, isIntB := new(big.Int).SetString(string(y), 10)
	if isIntA && isIntB {
		d, _ := new(big.Float).SetInt(j.Sub(j, i)).Float64()
		return finite(d)
	}
	f, errA := x.Float64()
	g, errB := y.Float64()
	if errA != nil || errB != nil {
		return nil
	}
	return finite(g - f)
}

func finite(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}
