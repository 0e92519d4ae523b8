package objectstore_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob/memblob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// Names, notes, keys and searches are the same in a bucket, in a folder and in
// memory: for the registry that wrote them, and for one that reads the store
// again.
func TestNamesAndNotesInEveryStore(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	t.Cleanup(func() { bucket.Close() })
	memory, dir := registrytest.NewMemory(t), t.TempDir()
	for name, open := range map[string]func() *mr.ModelRegistry{
		"bucket": func() *mr.ModelRegistry { return registrytest.NewOn(t, newStore(t, bucket, nil), nil) },
		"memory": func() *mr.ModelRegistry { return registrytest.NewOn(t, memory.Open(), nil) },
		"folder": func() *mr.ModelRegistry {
			r, err := mr.Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := open(), open()
			nameAndNote(t, first, second)
			for _, r := range []*mr.ModelRegistry{first, second, open()} {
				wantNamesAndNotes(t, r)
			}
		})
	}
}

// nameAndNote makes each kind of change, by two registries in turns.
func nameAndNote(t *testing.T, r, other *mr.ModelRegistry) {
	t.Helper()
	ctx := t.Context()
	register := func(r *mr.ModelRegistry, text string, o *mr.RegisterOptions) (mr.ModelVersion, error) {
		return r.Register(ctx, fraud, mr.FromFS(fstest.MapFS{"w": {Data: []byte(text)}}), o)
	}
	for i, r := range []*mr.ModelRegistry{r, other, r} {
		o := &mr.RegisterOptions{Once: fmt.Sprint("run-", i), Metrics: map[string]any{"auc": 0.9 + float64(i)/100}}
		v, err := register(r, o.Once, o)
		if err != nil || v.Existing {
			t.Fatalf("register %s: existing %t, %v", o.Once, v.Existing, err)
		}
	}
	if v, err := register(r, "run-1", &mr.RegisterOptions{Once: "run-1"}); err != nil || v.Version != "1.0.1" || !v.Existing {
		t.Errorf("registered again: got %s, existing %t, %v; want 1.0.1, which exists", v.Version, v.Existing, err)
	}
	if _, err := register(other, "other", &mr.RegisterOptions{Once: "run-0"}); !errors.Is(err, mr.ErrExists) {
		t.Errorf("registered again with other files: got error %v, want ErrExists", err)
	}
	text := "# Card\n"
	card := mr.Note{Set: map[string]string{"team": "fraud"}, Description: &text}
	steps := []error{
		r.SetAliases(ctx, fraud, map[string]string{"champion": "1.0.0", "canary": "1.0.2"}, nil),
		other.SetAliases(ctx, fraud, map[string]string{"champion": "1.0.1", "previous": "1.0.0", "canary": ""},
			&mr.AliasOptions{Actor: "anna", If: map[string]string{"champion": "1.0.0"}}),
		other.Annotate(ctx, fraud.Aliased("champion"), card, nil),
		r.AnnotateModel(ctx, fraud, card, nil),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	err := r.SetAliases(ctx, fraud, map[string]string{"champion": "1.0.2"}, &mr.AliasOptions{If: map[string]string{"champion": "1.0.0"}})
	if !errors.Is(err, mr.ErrConflict) {
		t.Errorf("an alias that another registry moved: got error %v, want ErrConflict", err)
	}
	if _, err := r.Archive(ctx, fraud.At("1.0.1"), nil); !errors.Is(err, mr.ErrProtected) {
		t.Errorf("archive the champion: got error %v, want ErrProtected", err)
	}
}

func wantNamesAndNotes(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	ctx := t.Context()
	facts, err := r.Facts(ctx, fraud)
	if err != nil {
		t.Fatal(err)
	}
	aliases, tags := map[string]string{"champion": "1.0.1", "previous": "1.0.0"}, map[string]string{"team": "fraud"}
	if !maps.Equal(facts.Aliases, aliases) || !maps.Equal(facts.Tags, tags) || facts.Description != "# Card\n" {
		t.Errorf("the model is %+v, want the aliases %v, the tags %v and the card", facts, aliases, tags)
	}
	v, err := r.GetVersion(ctx, fraud.Aliased("champion"))
	if err != nil || v.Version != "1.0.1" || !slices.Equal(v.Aliases, []string{"champion"}) || !maps.Equal(v.Tags, tags) || v.Description != "# Card\n" {
		t.Errorf("the champion is %+v, %v, want 1.0.1 with its note", v, err)
	}
	p, err := r.AliasAt(ctx, fraud, "champion", time.Time{})
	if err != nil || p.Version != "1.0.1" || p.By != "anna" {
		t.Errorf("by the history, champion is %s by %s, %v; want 1.0.1 by anna", p.Version, p.By, err)
	}
	var found []string
	for v, err := range r.Find(ctx, &mr.Query{Model: "Fraud*", Metrics: []mr.MetricCondition{{Metric: "auc", Operator: ">=", Number: "0.91"}}, OrderBy: "auc"}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, v.Version)
	}
	if diff := cmp.Diff([]string{"1.0.1", "1.0.2"}, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if best, err := r.Best(ctx, fraud, "auc", mr.Highest, &mr.Query{Tags: tags}); err != nil || best.Version.Version != "1.0.1" {
		t.Errorf("the best with the tag is %s, %v, want 1.0.1", best.Version.Version, err)
	}
}
