package modelregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

func TestParseGatesErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config map[string]any
		names  string
	}{
		"no underscore":        {map[string]any{"minauc": 0.8}, `"minauc"`},
		"no metric":            {map[string]any{"min_": 0.8}, `"min_"`},
		"no metric, max":       {map[string]any{"max_": 0.8}, `"max_"`},
		"other case":           {map[string]any{"Min_auc": 0.8}, `"Min_auc"`},
		"unknown":              {map[string]any{"require_review": true}, `"require_review"`},
		"empty":                {map[string]any{"": 1}, `""`},
		"misspelt drift check": {map[string]any{"require_driftcheck": true}, `"require_driftcheck"`},
		"NaN":                  {map[string]any{"min_auc": math.NaN()}, "min_auc"},
		"infinity":             {map[string]any{"max_loss": math.Inf(1)}, "max_loss"},
		"NaN as json.Number":   {map[string]any{"min_auc": json.Number("NaN")}, "min_auc"},
		"too large":            {map[string]any{"min_auc": json.Number("1e999")}, "min_auc"},
		"empty json.Number":    {map[string]any{"min_auc": json.Number("")}, "min_auc"},
		"bad json.Number":      {map[string]any{"min_auc": json.Number("0.8x")}, "min_auc"},
		"string":               {map[string]any{"min_auc": "0.8"}, "min_auc"},
		"bool":                 {map[string]any{"min_auc": true}, "min_auc"},
		"null":                 {map[string]any{"min_auc": nil}, "min_auc"},
		"list":                 {map[string]any{"min_auc": []float64{0.8}}, "min_auc"},
		"map":                  {map[string]any{"min_auc": map[string]any{"value": 0.8}}, "min_auc"},
		"func":                 {map[string]any{"min_auc": func() {}}, "min_auc"},
		"drift check a string": {map[string]any{"require_drift_check": "true"}, "require_drift_check"},
		"drift check a number": {map[string]any{"require_drift_check": 1}, "require_drift_check"},
		"drift check null":     {map[string]any{"require_drift_check": nil}, "require_drift_check"},
		"one of several":       {map[string]any{"min_auc": 0.8, "maxloss": 0.2}, `"maxloss"`},
	}
	for what, test := range tests {
		g, err := mr.ParseGates(test.config)
		if !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", what, err)
			continue
		}
		if !strings.Contains(err.Error(), test.names) {
			t.Errorf("%s: error %q does not name %s", what, err, test.names)
		}
		if g.Len() != 0 {
			t.Errorf("%s: got %d gates beside the error, want none", what, g.Len())
		}
	}
	_, err := mr.ParseGates(map[string]any{"minauc": 1, "max_loss": "low", "min_f1": 0.5})
	for _, bad := range []string{"minauc", "max_loss"} {
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("error %v does not name %s", err, bad)
		}
	}
}

func TestGatesJSON(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`{"min_auc":0.8,"min_auc":0.1}`, `{"min_auc":NaN}`, `{"min_auc":Infinity}`, `{"min_auc":"0.8"}`, `{"min_auc":true}`,
		`{"minauc":0.8}`, `{"require_drift_check":"yes"}`, `{"require_drift_check":true,"require_drift_check":false}`, `[]`, `"min_auc"`, `0.8`, `{"min_auc":}`, ``,
		`{"min_a\u0075c":0.8,"min_auc":0.1}`} {
		g := mr.MinMetric("kept", 1)
		if err := g.UnmarshalJSON([]byte(bad)); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", bad, err)
		}
		if got := mustJSON(t, g); got != `{"min_kept":1.0}` {
			t.Errorf("%s: left %s", bad, got)
		}
	}
	for in, want := range map[string]string{
		`{}`: `{}`, `null`: `{}`, ` { "min_auc" : 0.85 } `: `{"min_auc":0.85}`,
		`{"max_loss":0.2,"min_auc":1,"require_drift_check":true}`:   `{"max_loss":0.2,"min_auc":1,"require_drift_check":true}`,
		`{"require_drift_check":false}`:                             `{}`,
		`{"min_rows":9007199254740993}`:                             `{"min_rows":9007199254740993}`,
		`{"min_auc":0.8500000000000000000001,"min_loss":-1.50e-07}`: `{"min_auc":0.8500000000000000000001,"min_loss":-1.50e-07}`,
		`{"min_my_min_metric":1}`:                                   `{"min_my_min_metric":1}`,
	} {
		var g mr.PromotionGate
		if err := json.Unmarshal([]byte(in), &g); err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := mustJSON(t, g); got != want {
			t.Errorf("%s: read as %s, want %s", in, got, want)
		}
	}
	if _, err := json.Marshal(mr.GateOf("f", func(context.Context, mr.ModelVersion) error { return nil })); err == nil {
		t.Error("a function as JSON: no error")
	}
}

func TestGateConstructorsPanic(t *testing.T) {
	t.Parallel()
	for what, make := range map[string]func() mr.PromotionGate{
		"NaN":       func() mr.PromotionGate { return mr.MinMetric("auc", math.NaN()) },
		"infinity":  func() mr.PromotionGate { return mr.MaxMetric("loss", math.Inf(-1)) },
		"no metric": func() mr.PromotionGate { return mr.MinMetric("", 1) },
		"no name":   func() mr.PromotionGate { return mr.GateOf("", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			make()
		}()
	}
}

type dec float64

func gatesOf(t testing.TB, config map[string]any) mr.PromotionGate {
	t.Helper()
	g, err := mr.ParseGates(config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	num := func(s string) json.Number { return json.Number(s) }
	const big53 = 1 << 53
	huge, _ := new(big.Int).SetString("1"+strings.Repeat("0", 400)+"1", 10)
	tests := []struct {
		gate      string
		threshold any
		metrics   map[string]any
		passed    bool
		message   string
		actual    any
	}{
		{"min_auc", 0.85, map[string]any{"auc": 0.85}, true, "auc 0.85 >= 0.85", num("0.85")},
		{"min_auc", 0.85, map[string]any{"auc": 0.84999999999}, false, "auc 0.84999999999 < 0.85", num("0.84999999999")},
		{"min_auc", 0.85, map[string]any{"auc": math.Nextafter(0.85, 0)}, false, "auc 0.8499999999999999 < 0.85", num("0.8499999999999999")},
		{"min_auc", float32(0.85), map[string]any{"auc": 0.85}, true, "auc 0.85 >= 0.85", num("0.85")},
		{"min_auc", dec(0.85), map[string]any{"auc": float32(0.85)}, true, "auc 0.85 >= 0.85", num("0.85")},
		{"min_auc", num("0.85"), map[string]any{"auc": num("0.9")}, true, "auc 0.9 >= 0.85", num("0.9")},
		{"max_loss", 0.2, map[string]any{"loss": 0.2}, true, "loss 0.2 <= 0.2", num("0.2")},
		{"max_loss", 0.2, map[string]any{"loss": 0.20000000000000001}, true, "loss 0.2 <= 0.2", num("0.2")},
		{"max_loss", 0.2, map[string]any{"loss": 0.2000000001}, false, "loss 0.2000000001 > 0.2", num("0.2000000001")},
		{"max_loss", 0.2, map[string]any{"loss": -1}, true, "loss -1 <= 0.2", num("-1")},
		{"max_loss", 0, map[string]any{"loss": math.Copysign(0, -1)}, true, "loss -0.0 <= 0", num("-0.0")},
		{"min_rows", 1, map[string]any{"rows": 1.0}, true, "rows 1.0 >= 1", num("1.0")},
		{"min_rows", int64(big53 + 1), map[string]any{"rows": int64(big53)}, false, "rows 9007199254740992 < 9007199254740993", num("9007199254740992")},
		{"min_rows", int64(big53 + 1), map[string]any{"rows": int64(big53 + 1)}, true, "rows 9007199254740993 >= 9007199254740993", num("9007199254740993")},
		{"max_rows", int64(big53), map[string]any{"rows": int64(big53 + 1)}, false, "rows 9007199254740993 > 9007199254740992", num("9007199254740993")},
		{"max_rows", float64(big53), map[string]any{"rows": int64(big53 + 1)}, false, "rows 9007199254740993 > 9007199254740992.0", num("9007199254740993")},
		{"max_rows", uint64(math.MaxUint64 - 1), map[string]any{"rows": uint64(math.MaxUint64)}, false, "rows 18446744073709551615 > 18446744073709551614", num("18446744073709551615")},
		{"min_rows", 1e308, map[string]any{"rows": huge}, true, "rows " + huge.String() + " >= 1e+308", num(huge.String())},
		{"min_a", 5, map[string]any{"b": 9}, false, "metric a is missing", nil},
		{"min_a", 5, nil, false, "metric a is missing", nil},
		{"max_a", 5, map[string]any{"A": 1}, false, "metric a is missing", nil},
		{"min_a", 0, map[string]any{"a": "9"}, false, `metric a is not a number: "9"`, "9"},
		{"min_a", 0, map[string]any{"a": true}, false, "metric a is not a number: true", true},
		{"max_a", 9, map[string]any{"a": false}, false, "metric a is not a number: false", false},
		{"max_a", 9, map[string]any{"a": nil}, false, "metric a is not a number", nil},
		{"max_a", 9, map[string]any{"a": []int{1}}, false, "metric a is not a number: [1]", []any{num("1")}},
		{"max_a", 9, map[string]any{"a": map[string]any{"b": 1}}, false, "metric a is not a number", map[string]any{"b": num("1")}},
		{"min_a", 0, map[string]any{"a": math.NaN()}, false, "metric a is NaN", num("NaN")},
		{"max_a", 0, map[string]any{"a": math.NaN()}, false, "metric a is NaN", num("NaN")},
		{"min_a", 0, map[string]any{"a": math.Inf(1)}, false, "metric a is Infinity", num("Infinity")},
		{"max_a", 0, map[string]any{"a": math.Inf(-1)}, false, "metric a is -Infinity", num("-Infinity")},
		{"min_a", 0, map[string]any{"a": num("1e999")}, false, "metric a is 1e999", num("1e999")},
		{"min_min_a", 1, map[string]any{"min_a": 1}, true, "min_a 1 >= 1", num("1")},
	}
	for _, test := range tests {
		values, err := mr.NewValues(test.metrics)
		if err != nil {
			t.Fatal(err)
		}
		g := gatesOf(t, map[string]any{test.gate: test.threshold})
		got := g.Evaluate(t.Context(), mr.ModelVersion{Metrics: values})
		if len(got) != 1 {
			t.Fatalf("%s: got %d results, want 1", test.gate, len(got))
		}
		r := got[0]
		if _, ok := r.Threshold.(json.Number); !ok {
			t.Errorf("%s: the threshold is a %T, want a json.Number", test.gate, r.Threshold)
		}
		ok := strings.HasPrefix(r.Message, test.message) && (!test.passed || r.Message == test.message)
		if r.Name != test.gate || r.Passed != test.passed || !ok {
			t.Errorf("%s %v of %v: got %+v, want passed %v: %s", test.gate, test.threshold, test.metrics, r, test.passed, test.message)
		}
		if diff := cmp.Diff(test.actual, r.Actual); diff != "" {
			t.Errorf("%s: actual (-want +got):\n%s", r.Message, diff)
		}
		if !json.Valid([]byte(mustJSON(t, r.Message))) {
			t.Errorf("the message %q has no valid JSON form", r.Message)
		}
	}
}

// Results and comparisons are written to logs and APIs as JSON, so every value
// in them has a JSON form.
func TestResultsHaveAJSONForm(t *testing.T) {
	t.Parallel()
	values, err := mr.NewValues(map[string]any{"a": math.NaN(), "b": []any{math.Inf(1)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range mr.Gates(mr.MinMetric("a", 1), mr.MinMetric("b", 1), mr.MinMetric("c", 1)).Evaluate(t.Context(), mr.ModelVersion{Metrics: values}) {
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("result %+v: %v", r, err)
		}
	}
	r, _ := newStore(t, nil)
	for _, version := range []string{"1.0.0", "1.0.1"} {
		o := &mr.RegisterOptions{Version: version, AllowNonFinite: true, Metrics: map[string]any{"a": math.NaN()}}
		if _, err := r.Register(t.Context(), fraud, artifact(), o); err != nil {
			t.Fatal(err)
		}
	}
	c, err := r.Compare(t.Context(), fraud.At("1.0.0"), fraud.At("1.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(c); err != nil {
		t.Errorf("comparison: %v", err)
	}
}

func TestDriftCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		metadata map[string]any
		passed   bool
		message  string
	}{
		{map[string]any{"drift_check_passed": true}, true, "drift check passed"},
		{map[string]any{"drift_check_passed": false}, false, "metadata's drift_check_passed is false, not true"},
		{map[string]any{"drift_check_passed": "true"}, false, "metadata's drift_check_passed is true, not true"},
		{map[string]any{"drift_check_passed": 1}, false, "metadata's drift_check_passed is 1, not true"},
		{map[string]any{"drift_check_passed": nil}, false, "metadata's drift_check_passed is"},
		{map[string]any{"drift_check_passed": []bool{true}}, false, "metadata's drift_check_passed is [true], not true"},
		{map[string]any{"Drift_check_passed": true}, false, "metadata has no drift_check_passed"},
		{nil, false, "metadata has no drift_check_passed"},
	}
	for _, test := range tests {
		values, err := mr.NewValues(test.metadata)
		if err != nil {
			t.Fatal(err)
		}
		v := mr.ModelVersion{Metadata: values}
		r := mr.RequireDriftCheck().Evaluate(t.Context(), v)[0]
		if r.Passed != test.passed || r.Threshold != true || r.Name != "require_drift_check" {
			t.Errorf("%v: got %+v, want passed %v: %s", test.metadata, r, test.passed, test.message)
		}
		if s, isString := test.metadata["drift_check_passed"].(string); isString {
			if r.Message == "metadata's drift_check_passed is "+s+", not true" {
				t.Errorf("message %q shows the string as a boolean, want it quoted", r.Message)
			}
		} else if !strings.HasPrefix(r.Message, test.message) {
			t.Errorf("%v: message %q, want %q", test.metadata, r.Message, test.message)
		}
		off := gatesOf(t, map[string]any{"require_drift_check": false})
		if got := off.Evaluate(t.Context(), v); len(got) != 0 {
			t.Errorf("a disabled drift check has results %+v, want none", got)
		}
	}
}

func TestGateOf(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	v, err := r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{
		Metrics: map[string]any{"auc": 0.9}, Metadata: map[string]any{"drift_check_passed": true}})
	if err != nil {
		t.Fatal(err)
	}
	fail := func(fn mr.GateFunc) string {
		t.Helper()
		got, err := r.Promote(t.Context(), fraud.At(v.Version), mr.Production, &mr.MoveOptions{Gates: mr.Gates(mr.MinMetric("auc", 0.5), mr.GateOf("review", fn))})
		var gate *mr.GateError
		if !errors.As(err, &gate) {
			t.Errorf("got %v, %v, want a GateError", got.Stage, err)
			return ""
		}
		if gate.Target != mr.Production || len(gate.Results) != 2 || !gate.Results[0].Passed || len(gate.Failed()) != 1 {
			t.Errorf("got %+v, want two results for production, the first passed, the second failed", gate)
		}
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development})
		return gate.Failed()[0].Message
	}
	if got := fail(func(context.Context, mr.ModelVersion) error { return errors.New("not reviewed") }); got != "not reviewed" {
		t.Errorf("got message %q, want \"not reviewed\"", got)
	}
	if got := fail(func(context.Context, mr.ModelVersion) error { panic("boom") }); !strings.Contains(got, "boom") {
		t.Errorf("got message %q, want boom in it", got)
	}
	var m map[string]int
	if got := fail(func(context.Context, mr.ModelVersion) error { m["a"] = 1; return nil }); !strings.Contains(got, "nil map") {
		t.Errorf("got message %q, want \"nil map\" in it", got)
	}
	fail(func(context.Context, mr.ModelVersion) error { panic(nil) })

	var seen mr.ModelVersion
	_, err = r.Promote(t.Context(), fraud.At(v.Version), mr.Staging, &mr.MoveOptions{Gates: mr.GateOf("review", func(_ context.Context, v mr.ModelVersion) error {
		seen = v
		return nil
	})})
	if err != nil {
		t.Error(err)
	}
	if seen.String() != "fraud_detection/FraudRiskModel@1.0.0" || seen.Stage != mr.Development {
		t.Errorf("the gate got %v in %s, want fraud_detection/FraudRiskModel@1.0.0 in development", seen, seen.Stage)
	}
	e := last(t, dir)
	if diff := cmp.Diff([]any{map[string]any{"name": "review", "passed": true, "message": "passed", "actual": nil, "threshold": nil}}, e["gates"]); diff != "" {
		t.Errorf("gates in the history (-want +got):\n%s", diff)
	}

	// A function can't be stored.
	check := unchanged(t, dir)
	kept := mr.GateOf("review", func(context.Context, mr.ModelVersion) error { return nil })
	_, err = r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Gates: kept})
	wantError(t, err, "register", fraud, "", mr.ErrInvalid)
	check()
}

// A gate without a function fails, and is not read as another kind of gate.
// GateOf may panic instead.
func TestGateOfNil(t *testing.T) {
	t.Parallel()
	var g mr.PromotionGate
	if func() (panicked bool) {
		defer func() { panicked = recover() != nil }()
		g = mr.GateOf("review", nil)
		return false
	}() {
		return
	}
	drift, err := mr.NewValues(map[string]any{"drift_check_passed": true})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Evaluate(t.Context(), mr.ModelVersion{Metadata: drift})[0]; got.Passed || got.Threshold != nil {
		t.Errorf("got %+v, want a failure without a threshold", got)
	}
	r, dir := newStore(t, nil)
	if _, err = r.Register(t.Context(), fraud, artifact(), &mr.RegisterOptions{Gates: g}); err == nil {
		if _, err := openStore(t, dir, nil).ListVersions(t.Context(), fraud); err != nil {
			t.Errorf("after the registration ListVersions got error %v, want none", err)
		}
	}
	wantError(t, err, "register", fraud, "", mr.ErrInvalid)
}

func TestGateStopsByContext(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "", nil)
	check := unchanged(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.Promote(ctx, fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: mr.GateOf("slow", func(ctx context.Context, _ mr.ModelVersion) error {
		cancel()
		return ctx.Err()
	})})
	wantError(t, err, "promote", fraud, "1.0.0", context.Canceled)
	check()
}

func TestRefusalIsReturnedRecordedAndLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r, dir := newStore(t, &mr.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Actor: "ci"})
	o := &mr.RegisterOptions{AllowNonFinite: true, Metrics: map[string]any{"auc": 0.84999999999, "loss": 0.1, "f1": math.NaN()}, Gates: mr.MaxMetric("loss", 0.2)}
	if _, err := r.Register(t.Context(), fraud, artifact(), o); err != nil {
		t.Fatal(err)
	}
	passed := gatesOf(t, map[string]any{"min_auc": 0.85, "min_f1": 0.5, "min_recall": 1, "require_drift_check": true})
	_, err := r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, &mr.MoveOptions{Gates: passed, Reason: "release 7", Actor: "alice"})
	wantError(t, err, "promote", fraud, "1.0.0")
	var refused *mr.GateError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refused.Results {
		got = append(got, fmt.Sprint(r.Name, " ", r.Passed))
	}
	want := []string{"max_loss true", "min_auc false", "min_f1 false", "min_recall false", "require_drift_check false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if len(refused.Failed()) != 4 || refused.Target != mr.Production {
		t.Errorf("got %+v, want 4 failures for production", refused)
	}
	for _, part := range []string{"4 of 5", "production", "auc 0.84999999999 < 0.85", "metric f1 is NaN", "metric recall is missing", "metadata has no drift_check_passed"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %q, want %q in it", err, part)
		}
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development})
	fresh := openStore(t, dir, nil)
	wantStages(t, fresh, map[string]mr.ModelStage{"1.0.0": mr.Development})

	// The history of this model contains a NaN, which JSON lacks. So the
	// refusal's line is read as text.
	lines := strings.Split(strings.TrimSpace(files(t, modelPath(dir))["history.jsonl"]), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d events, want 2", len(lines))
	}
	for _, part := range []string{`"op":"promote"`, `"version":"1.0.0"`, `"from":"development"`, `"to":"production"`, `"refused":true`, `"actor":"alice"`, `"reason":"release 7"`,
		`{"name":"min_auc","passed":false,"message":"auc 0.84999999999 < 0.85","actual":0.84999999999,"threshold":0.85}`, `"name":"max_loss","passed":true`} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("the event is %s, want %s in it", lines[1], part)
		}
	}
	if strings.Contains(lines[1], `"after"`) {
		t.Errorf("the event is %s, want no changed entries in it", lines[1])
	}

	type record struct {
		Level, Model, Version, To, Gate, Message string
		Actual, Threshold                        any
	}
	var records []record
	for line := range bytes.Lines(log.Bytes()) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		records = append(records, r)
	}
	logged := func(gate, message string, actual, threshold any) record {
		return record{"WARN", fraud.String(), "1.0.0", "production", gate, message, actual, threshold}
	}
	wantRecords := []record{
		logged("min_auc", "auc 0.84999999999 < 0.85", 0.84999999999, 0.85),
		logged("min_f1", "metric f1 is NaN: not a finite number", "NaN", 0.5),
		logged("min_recall", "metric recall is missing", nil, 1.0),
		logged("require_drift_check", "metadata has no drift_check_passed", nil, true),
	}
	if diff := cmp.Diff(wantRecords, records); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestMessageCutsLongValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 10_000)
	for _, value := range []any{json.Number(long), long} {
		metrics, err := mr.NewValues(map[string]any{"auc": value})
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range gatesOf(t, map[string]any{"min_auc": 0.5}).Evaluate(t.Context(), mr.ModelVersion{Metrics: metrics}) {
			if res.Passed || len(res.Message) > 1000 || !strings.Contains(res.Message, "bytes)") {
				t.Errorf("min_auc of a %T of %d bytes: passed %t, %.2000q; want a refusal of at most 1000 bytes that says how long the value is",
					value, len(long), res.Passed, res.Message)
			}
		}
	}
}
