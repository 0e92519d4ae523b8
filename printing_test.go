package modelregistry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// printed are the exported structs that hold what the registry answers.
var printed = []any{
	mr.AliasChange{}, mr.AliasPeriod{}, mr.BestVersion{}, mr.Change{}, mr.ModelUsage{}, mr.PurgeReport{}, mr.PurgedVersion{}, mr.PurgedRemains{}, mr.RetainedVersion{}, mr.VersionHold{}, mr.VersionUsage{}, mr.Comparison{}, mr.Config{}, mr.Doubt{}, mr.Event{}, mr.Finding{}, mr.GateResult{},
	mr.LiveStatus{}, mr.MetricComparison{}, mr.Model{}, mr.ModelFacts{}, mr.ModelName{}, mr.ModelVersion{}, mr.Outcome{},
	mr.DeletionProgress{}, mr.Progress{}, mr.PromotionCheck{}, mr.Ref{}, mr.RepairAction{}, mr.RepairReport{}, mr.StagePeriod{}, mr.VerifyProgress{},
	mr.VerifyReport{},
}

// notPrinted reports whether an exported struct is none of these: options, what
// the registry works with, an error, or a value without exported fields.
func notPrinted(name string) bool {
	switch name {
	case "Artifact", "MetricCondition", "ModelRegistry", "Note", "PromotionGate", "Query", "Retention", "Values",
		"Appended", "Commit", "Item", "Replacement", "StagedTree":
		return true
	}
	return strings.HasSuffix(name, "Options") || strings.HasSuffix(name, "Error")
}

// A filler sets fields to values that can be told apart, and notes how each of
// them shows when it is printed and when it is marshaled.
type filler struct {
	n             int
	print, asJSON []string
}

// fill sets a value. A value behind a pointer does not show when the struct is
// printed.
func (f *filler) fill(v reflect.Value, prints bool) {
	f.n++
	shows := func(text string) {
		f.asJSON = append(f.asJSON, text)
		if prints {
			f.print = append(f.print, text)
		}
	}
	word := fmt.Sprintf("word%d", f.n)
	switch v.Interface().(type) {
	case time.Time:
		at := time.Date(2000+f.n, 1, 2, 3, 4, 5, 0, time.UTC)
		v.Set(reflect.ValueOf(at))
		shows(fmt.Sprint(2000+f.n, "-01-02"))
		return
	case mr.Ref:
		v.Set(reflect.ValueOf(mr.ModelName{UseCase: word, Model: "m"}.At("1.0.0")))
		shows(word + "/m@1.0.0")
		return
	case mr.Values:
		values, _ := mr.NewValues(map[string]any{word: 1})
		v.Set(reflect.ValueOf(values))
		shows(word)
		return
	case mr.PromotionGate:
		v.Set(reflect.ValueOf(mr.MinMetric(word, 1)))
		shows(word)
		return
	}
	_, hasText := v.Interface().(fmt.Stringer)
	switch v.Kind() {
	case reflect.String:
		v.SetString(word)
		shows(word)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(10_000 + f.n))
		shows(fmt.Sprint(10_000 + f.n))
	case reflect.Float64:
		v.SetFloat(float64(10_000 + f.n))
		shows(fmt.Sprint(10_000 + f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(errors.New(word)))
		} else {
			v.Set(reflect.ValueOf(word))
		}
		shows(word)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), false)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), prints)
	case reflect.Map:
		key := reflect.New(v.Type().Key()).Elem()
		value := reflect.New(v.Type().Elem()).Elem()
		f.fill(key, prints)
		f.fill(value, prints)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i), prints && !hasText)
			}
		}
		if hasText && prints {
			f.print = append(f.print, v.Interface().(fmt.Stringer).String())
		}
	default:
		panic(v.Kind())
	}
}

// Every field of a result shows when it is printed and when it is marshaled: no
// method of an embedded field replaces those of the whole.
func TestAnswersShowTheirFields(t *testing.T) {
	t.Parallel()
	for _, zero := range printed {
		typ := reflect.TypeOf(zero)
		t.Run(typ.Name(), func(t *testing.T) {
			for i := range typ.NumField() {
				if f := typ.Field(i); f.Anonymous && f.IsExported() {
					t.Errorf("it embeds %s, and has its methods", f.Name)
				}
			}
			f, v := &filler{}, reflect.New(typ).Elem()
			f.fill(v, true)
			text := fmt.Sprintf("%+v", v.Interface())
			for _, want := range f.print {
				if !strings.Contains(text, want) {
					t.Errorf("printed as %s, without %s", text, want)
				}
			}
			if typ == reflect.TypeFor[mr.LiveStatus]() {
				return // of its version only the number: see its MarshalJSON
			}
			raw, err := json.Marshal(v.Interface())
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range f.asJSON {
				if !strings.Contains(string(raw), want) {
					t.Errorf("marshaled as %s, without %s", raw, want)
				}
			}
		})
	}
}

func TestAnswersAreAllTested(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, v := range printed {
		known[reflect.TypeOf(v).Name()] = true
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() || spec.TypeParams != nil {
				return true
			}
			if _, ok := spec.Type.(*ast.StructType); ok && !known[spec.Name.Name] && !notPrinted(spec.Name.Name) {
				t.Errorf("%s is in neither list of this file", spec.Name.Name)
			}
			return true
		})
	}
}

func TestAnswersPrintOnOneLine(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, &mr.Options{Actor: "alice"})
	register(t, r, "1.0.0", map[string]any{"auc": 0.8})
	register(t, r, "1.1.0", map[string]any{"auc": 0.7})
	promote(t, r, "1.0.0", mr.Production)
	check := func(version string, gates mr.PromotionGate) mr.PromotionCheck {
		t.Helper()
		c, err := r.CheckPromotion(t.Context(), fraud.At(version), mr.Production, &mr.MoveOptions{Gates: gates})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := r.Promote(t.Context(), fraud.At("1.1.0"), mr.Production, &mr.MoveOptions{Gates: mr.MinMetric("auc", 0.9), Reason: "try it"}); err == nil {
		t.Error("promoted")
	}
	custom := mr.GateOf("approved", nil)
	name := fraud.String()
	for want, v := range map[string]any{
		"": mr.PromotionGate{},
		"min_auc=0.85, require_drift_check=true, approved":                                                mr.Gates(mr.MinMetric("auc", 0.85), mr.RequireDriftCheck(), custom),
		name + "@1.0.0 to production: it is there already":                                                check("1.0.0", custom),
		name + "@1.1.0 to production: allowed, archives 1.0.0":                                            check("1.1.0", mr.PromotionGate{}),
		name + "@1.1.0 to production: refused: 1 of 1 gates to production failed: min_auc: auc 0.7 < 0.9": check("1.1.0", mr.MinMetric("auc", 0.9)),
		name + " event 4: promote 1.1.0 from development to production by alice: try it; refused":         newest(t, r),
		name + " event not recorded yet: foreign":                                                         mr.Event{Name: fraud, Op: mr.OpForeign},
	} {
		if got := fmt.Sprint(v); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
