package modelregistry_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

func TestNonFinite(t *testing.T) {
	t.Parallel()
	type loss float32
	nan, inf := math.NaN(), math.Inf(1)
	tests := map[string]struct {
		value any
		path  string
	}{
		"NaN":              {nan, "m"},
		"infinity":         {inf, "m"},
		"minus infinity":   {-inf, "m"},
		"float32":          {float32(inf), "m"},
		"named type":       {loss(nan), "m"},
		"pointer":          {&nan, "m"},
		"list":             {[]float64{1, nan}, "m[1]"},
		"array":            {[2]float64{1, nan}, "m[1]"},
		"nested":           {map[string]any{"a": []any{1, map[string]float64{"b": inf}}}, "m.a[1].b"},
		"struct":           {struct{ A float64 }{nan}, "m"},
		"pointer's struct": {&struct{ A []float64 }{[]float64{inf}}, "m"},
		"json.Number":      {json.Number("-Infinity"), "m"},
		"other map":        {map[int]float64{1: nan}, "m"},
	}
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	check := unchanged(t, dir)
	for what, test := range tests {
		values := map[string]any{"m": test.value}
		for _, o := range []mr.RegisterOptions{{Metrics: values}, {Metadata: values}} {
			_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(string) error {
				t.Errorf("%s: the artifact was saved", what)
				return nil
			}), &o)
			wantError(t, err, "register", fraud, "", mr.ErrNonFinite, mr.ErrInvalid)
			if err != nil && !strings.Contains(err.Error(), test.path+" is ") {
				t.Errorf("%s: the error is %q, want the path %s in it", what, err, test.path)
			}
		}
	}
	check()
}

func TestValuesWithoutJSONForm(t *testing.T) {
	t.Parallel()
	cycle := map[string]any{}
	cycle["self"] = cycle
	type list []list
	deep := list{}
	for range 998 {
		deep = list{deep}
	}
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	check := unchanged(t, dir)
	for what, value := range map[string]any{"func": func() {}, "chan": make(chan int), "complex": 1i, "cycle": cycle, "bad number": json.Number("1x"),
		"bad raw": json.RawMessage("{"), "deep raw": json.RawMessage(strings.Repeat("[", 2000) + strings.Repeat("]", 2000)), "deep": deep} {
		_, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Metadata: map[string]any{"x": value}})
		if err == nil {
			t.Errorf("%s: Register got no error, want ErrInvalid", what)
			if _, err := openStore(t, dir, nil).ListVersions(t.Context(), fraud); err != nil {
				t.Fatalf("%s: ListVersions got error %v after it, want none", what, err)
			}
			continue
		}
		wantError(t, err, "register", fraud, "", mr.ErrInvalid)
	}
	check()
}

func TestAllowNonFinite(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	o := &mr.RegisterOptions{AllowNonFinite: true, Metrics: map[string]any{"a": math.NaN(), "b": []float64{math.Inf(1), math.Inf(-1)}, "c": 1.0}}
	v, err := r.Register(t.Context(), fraud, artifact(), o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openStore(t, dir, nil).GetVersion(t.Context(), fraud.At(v.Version))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"a":NaN,"b":[Infinity,-Infinity],"c":1.0}`
	if v.Metrics.String() != want || again.Metrics.String() != want {
		t.Errorf("the metrics are %s, and %s when read again, want %s", v.Metrics, again.Metrics, want)
	}
	if f, ok := again.Metrics.Float("a"); !ok || !math.IsNaN(f) {
		t.Errorf("a is %v, %v, want NaN, true", f, ok)
	}
	if got := mustJSON(t, again.Metrics); got != `{"a":null,"b":[null,null],"c":1.0}` {
		t.Errorf("the metrics as JSON are %s, want null in place of each value that is not finite", got)
	}
}
