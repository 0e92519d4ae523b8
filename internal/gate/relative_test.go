package gate_test

import (
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/gate"
)

// values are metrics in order: a name, then its raw value, and so on.
type values []string

func (v values) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for i := 0; i < len(v); i += 2 {
			var value any = json.Number(v[i+1])
			if v[i+1][0] == '"' {
				value = strings.Trim(v[i+1], `"`)
			}
			if !yield(v[i], value) {
				return
			}
		}
	}
}

func (v values) Get(name string) (any, bool) {
	for key, value := range v.All() {
		if key == name {
			return value, true
		}
	}
	return nil, false
}

func production(metrics ...string) map[string]gate.Baseline {
	return map[string]gate.Baseline{gate.Production: {Version: "1.4.0", Name: "production 1.4.0", Metrics: values(metrics)}}
}

func parse(t *testing.T, raw string) gate.Set {
	t.Helper()
	set, err := gate.ParseJSON([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return set
}

// The arithmetic is that of the decimals as they are written.
func TestRelativeIsExact(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		raw, candidate, base string
		passed               bool
		message              string
	}{
		{`{"not_below_production":{"m":0.01}}`, "0.891", "0.91", false, "0.891 < 0.90 (production 1.4.0: 0.91, margin 0.01)"},
		{`{"not_below_production":{"m":0.01}}`, "0.90", "0.91", true, "0.90 >= 0.90 (production 1.4.0: 0.91, margin 0.01)"},
		{`{"not_below_production":{"m":0.01}}`, "0.8999999999999999999999", "0.91", false, "0.8999999999999999999999 < 0.90 ("},
		{`{"not_below_production":{"m":0}}`, "0.3", "0.30", true, "0.3 >= 0.30 ("},
		{`{"not_above_production":{"m":0.2}}`, "0.3", "0.1", true, "0.3 <= 0.3 ("},
		{`{"not_above_production":{"m":0.2}}`, "0.30000000000000001", "0.1", false, "0.30000000000000001 > 0.3 ("},
		{`{"not_above_production":{"m":"2%"}}`, "0.51", "0.5", true, "0.51 <= 0.51 (production 1.4.0: 0.5, margin 2%)"},
		{`{"not_above_production":{"m":"2%"}}`, "0.5100001", "0.5", false, "0.5100001 > 0.51 ("},
		{`{"not_below_production":{"m":"0.5%"}}`, "199", "200", true, "199 >= 199 ("},
		{`{"not_below_production":{"m":1}}`, "9007199254740992", "9007199254740993", true, "9007199254740992 >= 9007199254740992 ("},
		{`{"not_below_production":{"m":0}}`, "9007199254740992", "9007199254740993", false, "9007199254740992 < 9007199254740993 ("},
		{`{"not_below_production":{"m":1e-3}}`, "-0.001", "0", true, "-0.001 >= -0.001 ("},
		{`{"not_below_production":{"m":"1%"}}`, "1", "0", false, "production 1.4.0: its m is 0, and a share of a value that is not above 0"},
		{`{"not_above_production":{"m":"1%"}}`, "-2", "-1.5", false, "production 1.4.0: its m is -1.5, and a share"},
		{`{"not_below_production":{"m":0}}`, "NaN", "1", false, "metric m is NaN: it is not finite"},
		{`{"not_above_production":{"m":0}}`, "-Infinity", "1", false, "metric m is -Infinity"},
		{`{"not_below_production":{"m":0}}`, `"9"`, "1", false, `metric m is not a number: "9"`},
		{`{"not_below_production":{"m":0}}`, "1", "NaN", false, "production 1.4.0: metric m is NaN: it is not finite; compare with another baseline, or skip"},
		{`{"not_below_production":{"m":0}}`, "1", `"x"`, false, `production 1.4.0: metric m is not a number: "x"; compare with another baseline`},
	} {
		results := parse(t, test.raw).Evaluate(t.Context(), gate.Candidate{Metrics: values{"m", test.candidate}, Baselines: production("m", test.base)})
		if len(results) != 1 || results[0].Passed != test.passed || !strings.HasPrefix(results[0].Message, test.message) {
			t.Errorf("%s, %s against %s: got %+v, want passed %v: %s", test.raw, test.candidate, test.base, results, test.passed, test.message)
		}
	}
}

// A result has the baseline, its value and the margin, and the history keeps
// them.
func TestRelativeResult(t *testing.T) {
	t.Parallel()
	got := parse(t, `{"not_below_production":{"auc":"10%"},"min_auc":0.5}`).Evaluate(t.Context(),
		gate.Candidate{Metrics: values{"auc", "0.8"}, Baselines: production("auc", "0.9")})
	want := []gate.Result{
		{Name: "min_auc", Passed: true, Message: "auc 0.8 >= 0.5", Actual: json.Number("0.8"), Threshold: json.Number("0.5")},
		{Name: "not_below_production auc", Message: "0.8 < 0.81 (production 1.4.0: 0.9, margin 10%)", Actual: json.Number("0.8"),
			Threshold: json.Number("0.81"), Baseline: "1.4.0", BaselineValue: json.Number("0.9"), Margin: "10%"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	raw, err := gate.EncodeResults(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, gate.DecodeResults(raw)); diff != "" {
		t.Errorf("results after encoding (-want +got):\n%s", diff)
	}
}

func TestRelativeWithoutBaseline(t *testing.T) {
	t.Parallel()
	set := parse(t, `{"not_below_production":{"auc":0}}`)
	base := func(b gate.Baseline) map[string]gate.Baseline { return map[string]gate.Baseline{gate.Production: b} }
	for _, test := range []struct {
		name    string
		metrics values
		base    map[string]gate.Baseline
		passed  bool
		message string
	}{
		{"never one", values{"auc", "0.1"}, base(gate.Baseline{None: "no version ever was in production"}), true, "nothing to compare with: no version ever was in production"},
		{"never one, no metric", values{"acu", "0.1"}, base(gate.Baseline{None: "none"}), false, "metric auc is missing; did you mean acu? (there are acu)"},
		{"no metric", values{"f1", "1", "loss", "2"}, production("auc", "0"), false, "metric auc is missing (there are f1, loss)"},
		{"no metrics", nil, production("auc", "0"), false, "metric auc is missing, as there are no metrics"},
		{"not in the baseline", values{"auc", "1"}, production("aucc", "0"), false, "production 1.4.0: metric auc is missing; did you mean aucc? (there are aucc); compare with another baseline, or skip the gates"},
		{"not found", values{"auc", "1"}, base(gate.Baseline{Err: errors.New("not found: alias x")}), false, "no baseline: not found: alias x"},
		{"not given", values{"auc", "1"}, nil, false, "no baseline: only a promotion"},
	} {
		got := set.Evaluate(t.Context(), gate.Candidate{Metrics: test.metrics, Baselines: test.base})[0]
		if got.Passed != test.passed || !strings.HasPrefix(got.Message, test.message) {
			t.Errorf("%s: got %+v, want passed %v: %s", test.name, got, test.passed, test.message)
		}
	}
}

// A gate such as auc/* has one result for each slice of the baseline, and fails
// if the candidate lacks one.
func TestRelativeSlices(t *testing.T) {
	t.Parallel()
	set := parse(t, `{"not_below_production":{"auc/*":0.01}}`)
	outcome := func(metrics values, base map[string]gate.Baseline) map[string]bool {
		passed := map[string]bool{}
		for _, r := range set.Evaluate(t.Context(), gate.Candidate{Metrics: metrics, Baselines: base}) {
			passed[r.Name+": "+r.Message] = r.Passed
		}
		return passed
	}
	got := outcome(values{"auc", "0.1", "auc/region=eu", "0.9", "auc/region=new", "0.1"},
		production("auc", "0.9", "auc/region=us", "0.8", "auc/region=eu", "0.9", "auc/", "1"))
	want := map[string]bool{
		"not_below_production auc/region=eu: 0.9 >= 0.89 (production 1.4.0: 0.9, margin 0.01)":                                                            true,
		"not_below_production auc/region=us: metric auc/region=us is missing; did you mean auc/region=eu? (there are auc, auc/region=eu, auc/region=new)": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	for message, passed := range outcome(values{"auc/a", "1"}, production("auc", "1")) {
		if passed || !strings.Contains(message, "production 1.4.0: metric auc/* is missing") {
			t.Errorf("no slices in production: %s passes %v, want it refused", message, passed)
		}
	}
	for message, passed := range outcome(nil, map[string]gate.Baseline{gate.Production: {None: "never"}}) {
		if !passed {
			t.Errorf("never a production: %s, want it to pass", message)
		}
	}
}

func TestParseRelativeErrors(t *testing.T) {
	t.Parallel()
	for raw, names := range map[string]string{
		`{"not_below_production":0.01}`:                        "not_below_production: 0.01 is not a map of margins",
		`{"not_below_production":{"auc":-0.01}}`:               "not_below_production: auc: margin -0.01 is negative",
		`{"not_below_production":{"auc":"-2%"}}`:               `margin "-2%" is negative`,
		`{"not_below_production":{"auc":NaN}}`:                 "margin NaN: it is not finite",
		`{"not_below_production":{"auc":Infinity}}`:            "margin Infinity: it is not finite",
		`{"not_below_production":{"auc":1e999}}`:               "margin 1e999: it is not finite",
		`{"not_below_production":{"auc":"NaN%"}}`:              "it is not finite",
		`{"not_below_production":{"auc":"2"}}`:                 `want a number, or a share such as "2%"`,
		`{"not_below_production":{"auc":"two%"}}`:              "it is not a number",
		`{"not_below_production":{"auc":true}}`:                "it is not a number",
		`{"not_below_production":{"auc":null}}`:                "it is not a number",
		`{"not_below_production":{"":1}}`:                      "the name of the metric is missing",
		`{"not_below_production":{"/*":1}}`:                    "the name of the metric is missing",
		`{"not_below_production":{"auc":0.01,"au\u0063":1}}`:   "auc: it is given twice",
		`{"not_below_production":{},"not_below_production":1}`: "not_below_production is given twice",
		`{"not_below_productoin":{"auc":0}}`:                   `unknown gate "not_below_productoin"`,
		`{"not_below":{"auc":0}}`:                              `unknown gate "not_below"`,
		`{"not_below@":{"auc":0}}`:                             `unknown gate "not_below@"`,
	} {
		if set, err := gate.ParseJSON([]byte(raw)); err == nil || !strings.Contains(err.Error(), names) || set.Len() != 0 {
			t.Errorf("%s: got %v, %v, want an error with %q", raw, set, err, names)
		}
		stored := gate.Stored("gates", []byte(raw))
		for _, r := range stored.Evaluate(t.Context(), gate.Candidate{Metrics: values{"auc", "1"}, Baselines: production("auc", "1")}) {
			if r.Passed {
				t.Errorf("%s, stored: %+v passes", raw, r)
			}
		}
		if stored.Len() == 0 || len(stored.Problems()) == 0 {
			t.Errorf("%s, stored: no problem", raw)
		}
	}
}

// Relative gates are written as they are read, and two sets join to one map.
func TestRelativeForms(t *testing.T) {
	t.Parallel()
	raw := `{"min_auc":0.5,"not_above_production":{"latency_ms":5,"loss":"2%"},"not_below@champion":{"auc":0.010}}`
	set := parse(t, raw)
	if got, err := set.JSON(); err != nil || string(got) != raw {
		t.Errorf("written as %s, %v, want %s", got, err, raw)
	}
	if stored := gate.Stored("gates", []byte(raw)); !stored.Same(set) {
		t.Errorf("stored it is %v, want %v", stored, set)
	}
	fromMap, err := gate.Parse(map[string]any{"not_above_production": map[string]any{"loss": "2%", "latency_ms": 5},
		"not_below@champion": map[string]json.Number{"auc": "0.010"}, "min_auc": 0.5})
	if err != nil || !fromMap.Same(set) {
		t.Errorf("from a map it is %v, %v, want %v", fromMap, err, set)
	}
	if want := `min_auc=0.5, not_above_production latency_ms=5, not_above_production loss="2%", not_below@champion auc=0.010`; set.String() != want {
		t.Errorf("as text it is %s, want %s", set, want)
	}
	if diff := cmp.Diff([]string{gate.Production, "champion"}, set.Baselines()); diff != "" {
		t.Errorf("baselines (-want +got):\n%s", diff)
	}
	for _, test := range []struct{ a, b, want string }{
		{`{"not_below_production":{"auc":0.02,"f1":0}}`, `{"not_below_production":{"auc":0.01}}`, `{"not_below_production":{"auc":0.01,"f1":0}}`},
		{`{"not_below_production":{"auc":"1%"}}`, `{"not_below_production":{"auc":"2%"}}`, `{"not_below_production":{"auc":"1%"}}`},
		{`{"not_below_production":{"auc":0}}`, `{"not_below_production":{"auc":-1}}`, `{"not_below_production":{"auc":-1}}`},
		{`{"not_below_production":[1]}`, `{"not_below_production":{"auc":0}}`, `{"not_below_production":[1]}`},
	} {
		joined := gate.Join(gate.Stored("", []byte(test.a)), gate.Stored("", []byte(test.b)))
		if got, err := joined.Storable().JSON(); err != nil || string(got) != test.want {
			t.Errorf("%s and %s are stored as %s, %v, want %s", test.a, test.b, got, err, test.want)
		}
	}
}
