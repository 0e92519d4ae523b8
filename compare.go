package modelregistry

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/decimal"
)

// A Comparison has two versions and the differences of their metrics.
type Comparison struct {
	A       ModelVersion       `json:"a"`
	B       ModelVersion       `json:"b"`
	Metrics []MetricComparison `json:"metrics"` // the metrics of both, sorted by name
}

// A MetricComparison is one metric of two versions. A value is nil if the
// version does not have the metric. Delta is nil unless both values are finite
// numbers.
type MetricComparison struct {
	Name  string
	A     any
	B     any
	Delta *float64 // B - A, unrounded
}

// MarshalJSON writes NaN and infinite values as null, because JSON has no form
// for them.
func (m MetricComparison) MarshalJSON() ([]byte, error) {
	return finiteJSON(map[string]any{"name": m.Name, "a": m.A, "b": m.B, "delta": m.Delta})
}

// Compare returns two versions and the differences of their metrics. The
// versions may belong to different models. Two versions of one model are read
// at the same moment. The error matches ErrNotFound if one of them does not
// exist.
func (r *ModelRegistry) Compare(ctx context.Context, a, b Ref) (c Comparison, err error) {
	if c.A, c.B, err = r.pair(ctx, a, b); err != nil {
		return Comparison{}, err
	}
	x, y := c.A.Metrics.Map(), c.B.Metrics.Map()
	both := maps.Clone(x)
	maps.Copy(both, y)
	c.Metrics = make([]MetricComparison, 0, len(both))
	for _, n := range slices.Sorted(maps.Keys(both)) {
		c.Metrics = append(c.Metrics, MetricComparison{Name: n, A: x[n], B: y[n], Delta: delta(x[n], y[n])})
	}
	return c, nil
}

// pair returns two versions. If they belong to one model, it reads them at the
// same moment.
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

// delta returns b - a, or nil if a value is not a finite number.
func delta(a, b any) *float64 {
	x, okA := a.(json.Number)
	y, okB := b.(json.Number)
	if !okA || !okB {
		return nil
	}
	if d, ok := decimal.Difference(string(x), string(y)); ok {
		return &d
	}
	return nil
}
