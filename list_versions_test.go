package modelregistry_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// A registry that lists the versions before and after each change shows what a
// registry shows that was just opened.
func TestListVersionsAfterEachChange(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r, other := openStore(t, dir, nil), openStore(t, dir, nil)
	ctx := t.Context()
	gates := mr.MinMetric("auc", 0.5)
	move := func(op func(context.Context, mr.Ref, mr.ModelStage, *mr.MoveOptions) (mr.ModelVersion, error), version string, to mr.ModelStage) func() error {
		return func() error {
			_, err := op(ctx, fraud.At(version), to, nil)
			return err
		}
	}
	changes := []struct {
		name string
		do   func() error
	}{
		{"registered", func() error { register(t, r, "1.1.0", map[string]any{"auc": 0.9}); return nil }},
		{"registered by another registry", func() error { register(t, other, "1.1.1", map[string]any{"auc": 0.9}); return nil }},
		{"promoted", move(r.Promote, "1.1.0", mr.Production)},
		{"promoted by another registry", move(other.Promote, "1.1.1", mr.Production)},
		{"demoted", move(r.Demote, "1.1.1", mr.Development)},
		{"archived", func() error { _, err := r.Archive(ctx, fraud.At("1.0.2"), nil); return err }},
		{"model's gates set", func() error { return other.SetModelGates(ctx, fraud, gates, &mr.GatesOptions{Reason: "a limit"}) }},
		{"version's gates set", func() error {
			_, err := r.SetGates(ctx, fraud.At("1.1.1"), gates, &mr.GatesOptions{Reason: "a limit"})
			return err
		}},
		{"promoted again", move(r.Promote, "1.1.0", mr.Production)},
		{"two in production by an edit", func() error { secondProduction(t, dir); return nil }},
		{"the second mended by a registration", func() error { register(t, r, "1.1.2", nil); return nil }},
		{"entry edited", editVersions(dir, func(versions map[string]any) {
			versions["1.0.0"].(map[string]any)["metrics"] = map[string]any{"auc": 0.1}
		})},
		{"entry removed by an edit", editVersions(dir, func(versions map[string]any) { delete(versions, "1.0.2") })},
		{"removal recorded", move(other.Promote, "1.1.1", mr.Staging)},
	}
	for _, c := range changes {
		if _, err := r.ListVersions(ctx, fraud); err != nil {
			t.Fatal(err)
		}
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := r.ListVersions(ctx, fraud)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		want, err := openStore(t, dir, nil).ListVersions(ctx, fraud)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(mustJSON(t, want), mustJSON(t, got)); diff != "" {
			t.Errorf("%s: the list (-just opened +got):\n%s", c.name, diff)
		}
	}
}

// editVersions changes the entries of registry.json as an external program does
// that writes its members in another order.
func editVersions(dir string, change func(map[string]any)) func() error {
	return func() error {
		return editDocument(dir, func(document map[string]any) { change(document["versions"].(map[string]any)) })
	}
}

// editDocument is editVersions for the whole document.
func editDocument(dir string, change func(map[string]any)) error {
	path := modelPath(dir, "registry.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		return err
	}
	change(document)
	if data, err = json.MarshalIndent(document, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
