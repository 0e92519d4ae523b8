package modelregistry

import (
	"context"
	"encoding/json"
	"math"
	"math/big"
	"slices"
)

// A Comparison sets two versions side by side.
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

// Compare returns two versions, also of two models, and the difference of their
// metrics. Two versions of one model are read at the same moment.
func (r *ModelRegistry) Compare(ctx context.Context, a, b Ref) (c Comparison, err error) {
	if c.A, c.B, err = r.pair(ctx, a, b); err != nil {
		return Comparison{}, err
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

// pair returns two versions; of one model, as they are at the same moment.
func (r *ModelRegistry) pair(ctx context.Context, a, b Ref) (x, y ModelVersion, err error) {
	subject := a
	defer func() { err = opError("compare", subject, err) }()
	if a.Name != b.Name {
		if x, err = r.version(ctx, a); err == nil {
			subject = b
			y, err = r.version(ctx, b)
		}
		return x, y, err
	}
	if err := a.check(); err != nil {
		return x, y, err
	}
	if err := b.check(); err != nil {
		subject = b
		return x, y, err
	}
	m, err := r.model(a.Name)
	if err != nil {
		return x, y, err
	}
	err = m.read(ctx, func(s state) (err error) {
		if x, err = a.in(s); err == nil {
			subject = b
			y, err = b.in(s)
		}
		return err
	})
	return x, y, err
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
