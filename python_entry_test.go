package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// The stores in this file have the format of docs/format.md. A Python program,
// an editor and the registry write them in turns.

// An entry of any shape is listed, and so are the others beside it. A change of
// another entry keeps its bytes.
func TestPythonStrangeEntries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		version  string
		raw      string
		stage    string
		problems int
	}{
		{"in order", "1.0.0", pythonstore.Entry("1.0.0", "staging"), "staging", 0},
		{"non-finite", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", `{"a":NaN,"b":Infinity,"c":-Infinity}`), "staging", 0},
		{"big integers", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", `{"a":123456789012345678901234567890,"b":-9223372036854775809,"c":1.0,"d":1}`), "staging", 0},
		{"version only", "1.0.0", `{"version": "1.0.0"}`, "development", 0},
		{"empty object", "1.0.0", `{}`, "development", 0},
		{"unknown keys", "1.0.0", `{"owner": "team", "version": "1.0.0", "stage": "staging", "x": {"b": 1, "a": [NaN]}}`, "staging", 0},
		{"unknown stage", "1.0.0", pythonstore.Entry("1.0.0", "canary"), "canary", 1},
		{"stage in capitals", "1.0.0", pythonstore.Entry("1.0.0", "Production"), "Production", 1},
		{"null entry", "1.0.0", `null`, "", 1},
		{"list entry", "1.0.0", `[1, 2]`, "", 1},
		{"null metrics", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", "null", "metadata", "null"), "staging", 0},
		{"metrics no object", "1.0.0", pythonstore.Entry("1.0.0", "staging", "metrics", "[1]", "metadata", `"x"`), "staging", 2},
		{"stage no string", "1.0.0", pythonstore.Entry("1.0.0", "staging", "stage", "7"), "development", 1},
		{"strange time", "1.0.0", pythonstore.Entry("1.0.0", "staging", "registered_at", `"yesterday"`), "staging", 1},
		{"time without fraction", "1.0.0", pythonstore.Entry("1.0.0", "staging", "registered_at", `"2026-11-20T05:30:11+00:00"`), "staging", 0},
		{"time in Z", "1.0.0", pythonstore.Entry("1.0.0", "staging", "registered_at", `"2026-11-20T05:30:11Z"`), "staging", 0},
		{"no SemVer", "v2", pythonstore.Entry("v2", "staging"), "staging", 0},
		{"a date", "2024-01-05", pythonstore.Entry("2024-01-05", "staging"), "staging", 0},
		{"another version inside", "1.0.0", pythonstore.Entry("1.0.1", "staging"), "staging", 1},
		{"unreadable gates", "1.0.0", pythonstore.Entry("1.0.0", "staging", "promotion_gates", `{"minauc": 1}`), "staging", 1},
		{"white space", "1.0.0", "{ \"version\" :\t\"1.0.0\" , \"stage\":\"staging\",\r\n \"metrics\": { \"b\":1.0,\"a\" : 1 } }", "staging", 0},
		{"raw UTF-8", "1.0.0", `{"version":"1.0.0","stage":"staging","metadata":{"ö":"ü 😀"}}`, "staging", 0},
		{"a key twice", "1.0.0", `{"version":"1.0.0","stage":"development","stage":"staging"}`, "staging", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			s.Write("registry.json", pythonstore.Document(tt.version, tt.raw, "0.9.0", pythonstore.Entry("0.9.0", "staging")))
			s.WriteTrees(tt.version, "0.9.0")
			r := s.Open()
			v, err := r.GetVersion(t.Context(), fraud.At(tt.version))
			if err != nil {
				t.Fatal(err)
			}
			if string(v.Stage) != tt.stage || len(v.Problems) != tt.problems {
				t.Errorf("got stage %q, problems %q; want stage %q, %d problems", v.Stage, v.Problems, tt.stage, tt.problems)
			}
			list, err := r.ListVersions(t.Context(), fraud)
			if err != nil || len(list) != 2 {
				t.Fatalf("%d versions are listed, %v, want 2", len(list), err)
			}
			if _, err := json.Marshal(list); err != nil {
				t.Errorf("the list has no JSON form: %v", err)
			}
			before := pythonstore.Lines(list)

			other := func(lines []pythonstore.Line) []pythonstore.Line {
				return slices.DeleteFunc(lines, func(l pythonstore.Line) bool { return l.Version != tt.version })
			}
			s.Promote(r, "0.9.0", modelregistry.Production)
			if diff := cmp.Diff(tt.raw, s.RawEntry(tt.version)); diff != "" {
				t.Errorf("the entry, which did not move (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(other(before), other(s.Same(r))); diff != "" {
				t.Error(diff)
			}

			// The version can be archived like any other.
			if _, err := r.Archive(t.Context(), fraud.At(tt.version), nil); err != nil {
				t.Fatal(err)
			}
			lines := s.Same(r)
			if got := pythonstore.Stages(lines)[tt.version]; got != "archived" {
				t.Errorf("after Archive the stage is %q, want archived", got)
			}
			old, err := pyjson.Object([]byte(tt.raw))
			if err != nil {
				return
			}
			for _, m := range old {
				if !slices.Contains([]string{"version", "stage", "archived_at"}, m.Key) {
					if now := pythonstore.Member(t, s.RawEntry(tt.version), m.Key); !pyjson.Equal([]byte(now), m.Value) {
						t.Errorf("%s is %s after Archive, want %s", m.Key, now, m.Value)
					}
				}
			}
		})
	}
}

func TestPythonGatesInEntryAreHonoured(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	s.Write("registry.json", pythonstore.Document(
		"1.0.0", pythonstore.Entry("1.0.0", "development", "metrics", `{"auc":0.5}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.1.0", pythonstore.Entry("1.1.0", "development", "metrics", `{"auc":NaN}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.2.0", pythonstore.Entry("1.2.0", "development", "metrics", `{"auc":0.9}`, "promotion_gates", `{"min_auc":0.85}`),
		"1.3.0", pythonstore.Entry("1.3.0", "development", "metrics", `{"auc":0.9}`, "promotion_gates", `{"minauc":0.85}`),
	))
	s.WriteTrees("1.0.0", "1.1.0", "1.2.0", "1.3.0")
	r := s.Open()
	for version, passes := range map[string]bool{"1.0.0": false, "1.1.0": false, "1.2.0": true, "1.3.0": false} {
		_, err := r.Promote(t.Context(), fraud.At(version), modelregistry.Staging, nil)
		var gate *modelregistry.GateError
		if passes && err != nil || !passes && !errors.As(err, &gate) {
			t.Errorf("promote %s: got error %v, want a pass: %t", version, err, passes)
		}
	}
	s.Same(r)
	if got := pythonstore.Member(t, s.RawEntry("1.2.0"), "promotion_gates"); got != "{\n        \"min_auc\": 0.85\n      }" {
		t.Errorf("the gates of the moved entry are %q, want min_auc 0.85 alone, as Python lays it out", got)
	}
}

func TestPythonTwoProductions(t *testing.T) {
	t.Parallel()
	production := func(version, when string) string {
		return pythonstore.Entry(version, "production", "promoted_to_prod", string(pyjson.Quote(when)))
	}
	tests := []struct {
		name string
		next func(t *testing.T, r *modelregistry.ModelRegistry) error
		want map[string]string
	}{
		{"registration", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), nil)
			return err
		}, map[string]string{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging", "1.3.1": "development"}},
		{"promotion", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(t.Context(), fraud.At("1.3.0"), modelregistry.Production, nil)
			return err
		}, map[string]string{"1.0.0": "archived", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "production"}},
		{"rollback", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.RollbackTo(t.Context(), fraud.At("1.1.0"), nil)
			return err
		}, map[string]string{"1.0.0": "archived", "1.1.0": "production", "1.2.0": "archived", "1.3.0": "staging"}},
		{"demotion", func(t *testing.T, r *modelregistry.ModelRegistry) error {
			_, err := r.Demote(t.Context(), fraud.At("1.0.0"), modelregistry.Staging, nil)
			return err
		}, map[string]string{"1.0.0": "staging", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			s.Write("registry.json", pythonstore.Document("1.0.0", production("1.0.0", pythonstore.Day3), "1.1.0", production("1.1.0", pythonstore.Day1),
				"1.2.0", production("1.2.0", pythonstore.Day2), "1.3.0", pythonstore.Entry("1.3.0", "staging")))
			s.WriteTrees("1.0.0", "1.1.0", "1.2.0", "1.3.0")
			r := s.Open()
			v, err := r.GetVersion(t.Context(), fraud.In(modelregistry.Production))
			if err != nil || v.Version != "1.0.0" {
				t.Fatalf("production is %q, %v, want 1.0.0, which was promoted last", v.Version, err)
			}
			want := map[string]string{"1.0.0": "production", "1.1.0": "archived", "1.2.0": "archived", "1.3.0": "staging"}
			if diff := cmp.Diff(want, pythonstore.Stages(s.List(r))); diff != "" {
				t.Error(diff)
			}
			if err := tt.next(t, r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, pythonstore.Stages(s.Same(r))); diff != "" {
				t.Errorf("stages after the next change (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, s.StagesInDocument()); diff != "" {
				t.Errorf("stages in the document after the next change (-want +got):\n%s", diff)
			}
		})
	}
}

// The history can be read after a move, or a refusal, of a version whose stage
// is unknown.
func TestPythonUnknownStageMoves(t *testing.T) {
	t.Parallel()
	moves := map[string]func(ctx context.Context, r *modelregistry.ModelRegistry) error{
		"archive": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Archive(ctx, fraud.At("1.0.0"), nil)
			return err
		},
		"promote": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), modelregistry.Staging, nil)
			return err
		},
		"demote": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Demote(ctx, fraud.At("1.0.0"), modelregistry.Development, nil)
			return err
		},
		"refusal": func(ctx context.Context, r *modelregistry.ModelRegistry) error {
			_, err := r.Promote(ctx, fraud.At("1.0.0"), modelregistry.Staging, &modelregistry.MoveOptions{Gates: modelregistry.MinMetric("auc", 2)})
			var gate *modelregistry.GateError
			if errors.As(err, &gate) {
				return nil
			}
			return fmt.Errorf("want a refusal, got %w", err)
		},
	}
	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pythonstore.New(t)
			s.Write("registry.json", pythonstore.Document("1.0.0", pythonstore.Entry("1.0.0", "canary")))
			s.WriteTrees("1.0.0")
			r := s.Open()
			if err := move(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			s.Same(r)
		})
	}
}
