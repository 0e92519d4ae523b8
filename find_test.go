package modelregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// searched makes a store of three models for searches. Versions are registered
// an hour apart.
func searched(t *testing.T) (r *mr.ModelRegistry, dir string, start time.Time) {
	t.Helper()
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	r, dir = newStore(t, &mr.Options{Now: func() time.Time { return now }})
	for _, v := range []struct {
		model, run string
		metrics    map[string]any
		tags       map[string]string
	}{
		{"fraud/A", "r1", map[string]any{"auc": json.Number("0.90"), "n": json.Number("9007199254740993")}, map[string]string{"team": "x"}},
		{"fraud/A", "r2", map[string]any{"auc": json.Number("0.9000000000000000001"), "n": json.Number("9007199254740992")}, nil},
		{"fraud/B", "r2", map[string]any{"auc": "0.99", "loss": 0.1}, map[string]string{"team": "x", "risk": "high"}},
		{"fraud/B", "r3", map[string]any{"auc": 0.5, "loss": 0.2}, map[string]string{"team": "y"}},
		{"churn/A", "r1", map[string]any{"loss": 0.3}, nil},
	} {
		name, err := mr.ParseModelName(v.model)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Register(t.Context(), name, artifact(), &mr.RegisterOptions{Metrics: v.metrics, LineageRunID: v.run, Note: mr.Note{Set: v.tags}}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	a := mr.ModelName{UseCase: "fraud", Model: "A"}
	if _, err := r.Promote(t.Context(), a.At("1.0.0"), mr.Production, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.SetAliases(t.Context(), a, map[string]string{"champion": "1.0.0", "canary": "1.0.1"}, nil); err != nil {
		t.Fatal(err)
	}
	return r, dir, start
}

func found(t *testing.T, r *mr.ModelRegistry, q *mr.Query) (list []string, errs []error) {
	t.Helper()
	for v, err := range r.Find(t.Context(), q) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, v.String())
	}
	return list, errs
}

func where(t *testing.T, conditions ...string) (list []mr.MetricCondition) {
	t.Helper()
	for _, s := range conditions {
		c, err := mr.ParseMetricCondition(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// A name may look like a pattern.
func TestFindByANameWithBrackets(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	name := mr.ModelName{UseCase: "fraud[1]", Model: "A"}
	if _, err := r.Register(t.Context(), name, artifact(), nil); err != nil {
		t.Fatal(err)
	}
	for _, q := range []*mr.Query{{UseCase: "fraud[1]"}, {UseCase: "fraud[1]", Model: "A"}, {UseCase: "fraud*"}} {
		if got, errs := found(t, r, q); len(got) != 1 || errs != nil {
			t.Errorf("%s %s: %v, %v; want the version of %s", q.UseCase, q.Model, got, errs, name)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	r, _, start := searched(t)
	for name, tc := range map[string]struct {
		q    *mr.Query
		want string
	}{
		"all":              {nil, "churn/A@1.0.0 fraud/A@1.0.1 fraud/A@1.0.0 fraud/B@1.0.1 fraud/B@1.0.0"},
		"use case":         {&mr.Query{UseCase: "fraud"}, "fraud/A@1.0.1 fraud/A@1.0.0 fraud/B@1.0.1 fraud/B@1.0.0"},
		"pattern":          {&mr.Query{UseCase: "f*", Model: "[B-Z]"}, "fraud/B@1.0.1 fraud/B@1.0.0"},
		"exact":            {&mr.Query{UseCase: "fraud", Model: "B"}, "fraud/B@1.0.1 fraud/B@1.0.0"},
		"no such model":    {&mr.Query{UseCase: "fraud", Model: "C"}, ""},
		"stage":            {&mr.Query{Stages: []mr.ModelStage{mr.Production, mr.Staging}}, "fraud/A@1.0.0"},
		"alias":            {&mr.Query{Aliases: []string{"champion", "missing"}}, "fraud/A@1.0.0"},
		"tags":             {&mr.Query{Tags: map[string]string{"team": "x", "risk": "high"}}, "fraud/B@1.0.0"},
		"missing tag":      {&mr.Query{Tags: map[string]string{"owner": ""}}, ""},
		"run":              {&mr.Query{RunID: "r2"}, "fraud/A@1.0.1 fraud/B@1.0.0"},
		"since":            {&mr.Query{RegisteredAfter: start.Add(3 * time.Hour)}, "churn/A@1.0.0 fraud/B@1.0.1"},
		"until":            {&mr.Query{RegisteredBefore: start.Add(time.Hour)}, "fraud/A@1.0.0"},
		"exact decimals":   {&mr.Query{Metrics: where(t, "auc>0.9")}, "fraud/A@1.0.1"},
		"equal":            {&mr.Query{Metrics: where(t, "auc=0.9")}, "fraud/A@1.0.0"},
		"big integers":     {&mr.Query{Metrics: where(t, "n>=9007199254740993")}, "fraud/A@1.0.0"},
		"two conditions":   {&mr.Query{Metrics: where(t, "auc>=0.9", "n<9007199254740993")}, "fraud/A@1.0.1"},
		"not equal":        {&mr.Query{Metrics: where(t, "loss!=0.2")}, "churn/A@1.0.0 fraud/B@1.0.0"},
		"text is no limit": {&mr.Query{Metrics: where(t, "auc>=0")}, "fraud/A@1.0.1 fraud/A@1.0.0 fraud/B@1.0.1"},
		"limit":            {&mr.Query{Limit: 2}, "churn/A@1.0.0 fraud/A@1.0.1"},
		"order":            {&mr.Query{OrderBy: "loss"}, "fraud/B@1.0.0 fraud/B@1.0.1 churn/A@1.0.0 fraud/A@1.0.1 fraud/A@1.0.0"},
		"descending":       {&mr.Query{OrderBy: "auc", Descending: true, Limit: 4}, "fraud/A@1.0.1 fraud/A@1.0.0 fraud/B@1.0.1 churn/A@1.0.0"},
	} {
		if got, errs := found(t, r, tc.q); strings.Join(got, " ") != tc.want || errs != nil {
			t.Errorf("%s: %v, %v; want %s", name, got, errs, tc.want)
		}
	}
	for _, q := range []*mr.Query{{UseCase: "["}, {Stages: []mr.ModelStage{"x"}}, {Aliases: []string{"X"}}, {Tags: map[string]string{"Team": "x"}}, {Limit: -1}, {Descending: true},
		{Metrics: []mr.MetricCondition{{"auc", "~", "1"}}}, {Metrics: []mr.MetricCondition{{"auc", "<", "x"}}}, {Metrics: []mr.MetricCondition{{"", "<", "1"}}}} {
		if got, errs := found(t, r, q); len(got) > 0 || len(errs) != 1 || !errors.Is(errs[0], mr.ErrInvalid) {
			t.Errorf("%+v: %v, %v; want one ErrInvalid", q, got, errs)
		}
	}
	if _, err := mr.ParseMetricCondition("auc~1"); !errors.Is(err, mr.ErrInvalid) || !strings.Contains(err.Error(), "column 6") {
		t.Errorf("got error %v, want ErrInvalid with a column", err)
	}
	for range r.Find(t.Context(), nil) {
		break // leaves the loop
	}
}

// A model that can't be read yields its error, and hides no other.
func TestFindPastAnUnreadableModel(t *testing.T) {
	t.Parallel()
	r, dir, _ := searched(t)
	for _, file := range []string{"history.jsonl", "registry.json"} {
		if err := os.WriteFile(filepath.Join(dir, "fraud", "A", file), []byte("damage\n{}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []*mr.Query{nil, {OrderBy: "auc"}} {
		got, errs := found(t, openStore(t, dir, nil), q)
		if len(got) != 3 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "fraud/A") {
			t.Errorf("%v, %v; want three versions and the error of fraud/A", got, errs)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for v, err := range r.Find(ctx, nil) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v, %v", v, err)
		}
	}
}

// With a limit, Find drops versions while it reads. The first ones are those of
// the whole order.
func TestFindFirstOfMany(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	py := pythonstore.At(t, dir)
	var entries []string
	for i := range 3500 {
		metrics := fmt.Sprintf(`{"auc": 0.%d}`, i*7919%97)
		if i%5 == 0 {
			metrics = "{}"
		}
		version := fmt.Sprintf("1.0.%d", i)
		entries = append(entries, version, pythonstore.Entry(version, "development", "metrics", metrics))
	}
	py.Write("registry.json", pythonstore.Document(entries...))
	r := openStore(t, dir, nil)
	for _, descending := range []bool{false, true} {
		q := &mr.Query{OrderBy: "auc", Descending: descending}
		all, errs := found(t, r, q)
		for _, limit := range []int{1, 300, 499, 500, 501, 3000, 3499, 3500, math.MaxInt} {
			q.Limit = limit
			got, more := found(t, r, q)
			if diff := cmp.Diff(all[:min(limit, len(all))], got); diff != "" || len(all) != 3500 || errs != nil || more != nil {
				t.Fatalf("limit %d of %d, errors %v %v (-want +got):\n%s", limit, len(all), errs, more, diff)
			}
		}
	}
}

func TestBest(t *testing.T) {
	t.Parallel()
	r, _, _ := searched(t)
	a, b := mr.ModelName{UseCase: "fraud", Model: "A"}, mr.ModelName{UseCase: "fraud", Model: "B"}
	for _, tc := range []struct {
		name    mr.ModelName
		metric  string
		p       mr.Preference
		q       *mr.Query
		want    string
		without int
	}{
		{a, "auc", mr.Highest, nil, "1.0.1", 0},
		{a, "auc", mr.Lowest, nil, "1.0.0", 0},
		{a, "n", mr.Highest, nil, "1.0.0", 0},
		{a, "auc", mr.Highest, &mr.Query{Stages: []mr.ModelStage{mr.Production}}, "1.0.0", 0},
		{b, "auc", mr.Highest, nil, "1.0.1", 1},
		{b, "loss", mr.Lowest, &mr.Query{Tags: map[string]string{"team": "y"}}, "1.0.1", 0},
	} {
		got, err := r.Best(t.Context(), tc.name, tc.metric, tc.p, tc.q)
		if diff := cmp.Diff(fmt.Sprint(tc.want, tc.without), fmt.Sprint(got.Version.Version, got.Without)); err != nil || diff != "" {
			t.Errorf("best %s of %s: %v (-want +got):\n%s", tc.metric, tc.name, err, diff)
		}
	}
	if got, err := r.Best(t.Context(), b, "f1", mr.Highest, nil); !errors.Is(err, mr.ErrNotFound) || got.Without != 2 {
		t.Errorf("without the metric: %+v, %v; want ErrNotFound and 2 versions without it", got, err)
	}
	if _, err := r.Best(t.Context(), mr.ModelName{UseCase: "x", Model: "y"}, "auc", mr.Highest, nil); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("no model: %v", err)
	}
	for _, q := range []*mr.Query{{UseCase: "fraud"}, {OrderBy: "auc"}, {Descending: true}, {Limit: 1}} {
		if _, err := r.Best(t.Context(), a, "auc", mr.Highest, q); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%+v: got error %v, want ErrInvalid", q, err)
		}
	}
}
