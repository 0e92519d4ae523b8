package modelregistry_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

var (
	_ flag.Value               = (*mr.Ref)(nil)
	_ encoding.TextMarshaler   = mr.Ref{}
	_ encoding.TextUnmarshaler = (*mr.Ref)(nil)
)

var refs = map[string]mr.Ref{
	"fraud_detection/FraudRiskModel@1.3.0":            fraud.At("1.3.0"),
	"fraud_detection/FraudRiskModel@1.3.0-rc.1+b.7":   fraud.At("1.3.0-rc.1+b.7"),
	"fraud_detection/FraudRiskModel@1.3.0-staging":    fraud.At("1.3.0-staging"),
	"fraud_detection/FraudRiskModel@production":       fraud.In(mr.Production),
	"fraud_detection/FraudRiskModel@staging":          fraud.In(mr.Staging),
	"fraud_detection/FraudRiskModel@development":      fraud.In(mr.Development),
	"fraud_detection/FraudRiskModel@archived":         fraud.In(mr.Archived),
	"fraud_detection/FraudRiskModel@1.3.0,production": {Name: fraud, Version: "1.3.0", Stage: mr.Production},
	"fraud_detection/FraudRiskModel@champion":         fraud.Aliased("champion"),
	"fraud_detection/FraudRiskModel@latest":           fraud.Matching(mr.Latest),
	"fraud_detection/FraudRiskModel@~1.2":             fraud.Matching("~1.2"),
	"fraud_detection/FraudRiskModel@1.2":              fraud.Matching("1.2"),
	"fraud_detection/FraudRiskModel@>=1.2, <2 || 3.x": fraud.Matching(">=1.2, <2 || 3.x"),
	"fraud_detection/FraudRiskModel@1.0 - 2.0":        fraud.Matching("1.0 - 2.0"),
	"a b/c@d@^1": {Name: mr.ModelName{UseCase: "a b", Model: "c@d"}, Range: "^1"},
}

var noRefs = []string{
	"", "@", "/", "fraud_detection", "fraud_detection/FraudRiskModel", "fraud_detection@1.0.0", "fraud_detection/FraudRiskModel@",
	"fraud_detection/FraudRiskModel@prod", "fraud_detection/FraudRiskModel@Production", "fraud_detection/FraudRiskModel@ production",
	"fraud_detection/FraudRiskModel@LATEST", "fraud_detection/FraudRiskModel@~", "fraud_detection/FraudRiskModel@~1.2 ",
	"fraud_detection/FraudRiskModel@~1.2,staging", "fraud_detection/FraudRiskModel@x,staging", "fraud_detection/FraudRiskModel@production,staging",
	"../FraudRiskModel@1.0.0", "fraud_detection/a/b@1.0.0", "fraud_detection/@1.0.0", "/FraudRiskModel@1.0.0", "fraud_detection/..@latest",
	" fraud_detection/FraudRiskModel@../../1.0.0", "fraud_detection/FraudRiskModel@1.0.0/..", "fraud_detection/FraudRiskModel@1.0.0\n",
	"fraud_detection/FraudRiskModel@production@x", "fraud_detection/FraudRiskModel@1.0.0@production", "fraud_detection/FraudRiskModel@latest@~1",
	"fraud_detection/FraudRiskModel@1.0.0,staging@1.0.0", "fraud_detection/FraudRiskModel@b.anana", "fraud_detection/FraudRiskModel@1" + strings.Repeat(" <3", 70),
}

func TestParseRef(t *testing.T) {
	t.Parallel()
	for text, want := range refs {
		got, err := mr.ParseRef(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q reads as %+v, %v, and back as %q", text, got, err, got.String())
		}
	}
	for _, text := range noRefs {
		got, err := mr.ParseRef(text)
		if !errors.Is(err, mr.ErrInvalid) || got != (mr.Ref{}) {
			t.Errorf("%q reads as %+v, %v", text, got, err)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("the error does not quote %q: %v", text, err)
		}
	}
}

func TestRefAsConfiguration(t *testing.T) {
	t.Parallel()
	type config struct {
		Model mr.Ref            `json:"model"`
		More  map[mr.Ref]string `json:"more"`
	}
	want := config{fraud.Matching("~1.2"), map[mr.Ref]string{fraud.In(mr.Staging): "canary"}}
	text := mustJSON(t, want)
	if expect := `{"model":"fraud_detection/FraudRiskModel@~1.2","more":{"fraud_detection/FraudRiskModel@staging":"canary"}}`; text != expect {
		t.Errorf("got %s", text)
	}
	var got config
	if err := json.Unmarshal([]byte(text), &got); err != nil || !cmp.Equal(want, got) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"model":"fraud_detection/FraudRiskModel@prod"}`), &got); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("a misspelt stage: %v", err)
	}
	if text := mustJSON(t, config{}); text != `{"model":"","more":null}` {
		t.Errorf("the zero configuration is %s", text)
	}
	var zero config
	if err := json.Unmarshal([]byte(`{"model":""}`), &zero); err != nil || zero.Model != (mr.Ref{}) {
		t.Errorf("got %+v, %v", zero, err)
	}
	for _, bad := range []mr.Ref{mr.ModelName{UseCase: "a", Model: "b@latest"}.At("1.0.0"), fraud.At(""), fraud.At("1.2"), fraud.In("prod"), fraud.Matching("1.2.3"), fraud.Matching("latest "), {Stage: mr.Production},
		{Name: fraud, Range: mr.Latest, Stage: mr.Staging}} {
		if text, err := bad.MarshalText(); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%+v is written as %q, %v", bad, text, err)
		}
	}
}

func TestRefAsFlag(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var ref, def mr.Ref
	flags.Var(&ref, "ref", "`reference` of the model")
	flags.TextVar(&def, "text", fraud.In(mr.Production), "")
	if got := flags.Lookup("text").DefValue; got != "fraud_detection/FraudRiskModel@production" {
		t.Errorf("default %q", got)
	}
	flags.PrintDefaults() // asks the zero value for its text
	if err := flags.Parse([]string{"-ref", "fraud_detection/FraudRiskModel@latest"}); err != nil || ref != fraud.Matching(mr.Latest) {
		t.Errorf("got %v, %v", ref, err)
	}
	if err := flags.Parse([]string{"-ref", "fraud_detection/FraudRiskModel@b.anana"}); err == nil || !strings.Contains(err.Error(), "b.anana") {
		t.Errorf("got %v", err)
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	for _, v := range []string{"1.2.0", "1.2.9", "1.2.10", "1.3.0", "2.0.0-rc.1", "1.1.0", "1.2.11-rc.2"} {
		register(t, r, v, nil)
	}
	get := func(text string) string {
		t.Helper()
		ref, err := mr.ParseRef(fraud.String() + "@" + text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.GetModel(t.Context(), ref, nil)
		v, vErr := openStore(t, dir, nil).GetVersion(t.Context(), ref)
		if err != nil {
			wantError(t, err, "get", fraud, "", mr.ErrNotFound)
			wantError(t, vErr, "get", fraud, "", mr.ErrNotFound)
			return ""
		}
		defer m.Close()
		if v.Version != m.Version.Version {
			t.Errorf("%s is %s, and %s", text, m.Version.Version, v.Version)
		}
		return m.Version.Version
	}
	want := func(want map[string]string) {
		t.Helper()
		for text, version := range want {
			if got := get(text); got != version {
				t.Errorf("%s is %q, want %q", text, got, version)
			}
		}
	}
	want(map[string]string{
		"latest": "1.3.0", "~1.2": "1.2.10", "1.2": "1.2.10", "^1": "1.3.0", "<1.2": "1.1.0", "1.1.0 || ~1.2": "1.2.10",
		"~1.2.5": "1.2.10", ">1.3": "", "~3": "", ">=2.0.0-rc.1": "2.0.0-rc.1", ">=2": "", "*": "1.3.0", "=1.2.9": "1.2.9", "~1.2.0-0": "1.2.11-rc.2",
	})
	// What was taken out of use is not served under another name.
	for _, v := range []string{"1.3.0", "1.2.10"} {
		if _, err := r.Archive(t.Context(), fraud.At(v), nil); err != nil {
			t.Fatal(err)
		}
	}
	want(map[string]string{"latest": "1.2.9", "~1.2": "1.2.9", "=1.3.0": "", "1.3.0": "1.3.0"})
	promote(t, r, "1.3.0", mr.Production)
	want(map[string]string{"latest": "1.3.0", "~1.2": "1.2.9"})
}

func TestRefsThatCantBeFollowed(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	for _, ref := range []mr.Ref{{Name: fraud}, fraud.In("prod"), fraud.Matching("banana"), {Name: fraud, Version: "1.0.0", Range: "~1"},
		{Name: fraud, Stage: mr.Staging, Range: mr.Latest}} {
		_, err := r.GetModel(t.Context(), ref, nil)
		wantError(t, err, "get", fraud, ref.Version, mr.ErrInvalid)
	}
}

// A reference that can be parsed prints as the text that it was parsed from,
// names nothing outside the store, and can be resolved.
func FuzzParseRef(f *testing.F) {
	for text := range refs {
		f.Add(text)
	}
	for _, text := range noRefs {
		f.Add(text)
	}
	r, _ := newStore(f, nil)
	register(f, r, "1.0.0", nil)
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := mr.ParseRef(text)
		if err != nil {
			if !errors.Is(err, mr.ErrInvalid) || ref != (mr.Ref{}) {
				t.Fatalf("%+v, %v", ref, err)
			}
			return
		}
		if ref.String() != text {
			t.Fatalf("reads as %+v, which is written %q", ref, ref.String())
		}
		var back mr.Ref
		if b, err := ref.MarshalText(); err != nil || back.UnmarshalText(b) != nil || back != ref {
			t.Fatalf("%q, %v, and back %+v", b, err, back)
		}
		if strings.ContainsAny(ref.Name.UseCase+ref.Name.Model, "/\\\x00") || ref.Name.UseCase == ".." || ref.Name.Model == ".." {
			t.Fatalf("leads elsewhere: %+v", ref)
		}
		ref.Name = fraud
		if _, err := r.GetVersion(t.Context(), ref); err != nil && !errors.Is(err, mr.ErrNotFound) && !errors.Is(err, mr.ErrConflict) {
			t.Fatal(err)
		}
	})
}

// A program takes the model that it serves from its command line.
func ExampleParseRef() {
	for _, text := range []string{"fraud_detection/FraudRiskModel@production", "fraud_detection/FraudRiskModel@~1.2", "fraud_detection/FraudRiskModel@prod"} {
		ref, err := mr.ParseRef(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("model %s, stage %q, range %q\n", ref.Name.Model, ref.Stage, ref.Range)
	}
	// Output:
	// model FraudRiskModel, stage "production", range ""
	// model FraudRiskModel, stage "", range "~1.2"
	// reference "fraud_detection/FraudRiskModel@prod": invalid reference: "prod" is not an alias; did you mean production?
}
