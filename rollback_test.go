package modelregistry_test

import (
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// This test has the cases in the documentation of Rollback that TestRollback
// leaves out: the version that each call restores, until there is none.
func TestRollbackGoesBackTo(t *testing.T) {
	t.Parallel()
	type entries = map[string]map[string]any
	archive := func(t *testing.T, r *mr.ModelRegistry, version string) {
		t.Helper()
		if _, err := r.Archive(t.Context(), fraud.At(version), nil); err != nil {
			t.Fatal(err)
		}
	}
	foreign := func(edit func(v entries)) func(*testing.T, *mr.ModelRegistry, string) {
		return func(t *testing.T, _ *mr.ModelRegistry, dir string) { editEntries(t, dir, edit) }
	}
	deletes := func(version string) func(*testing.T, *mr.ModelRegistry, string) {
		return func(t *testing.T, _ *mr.ModelRegistry, dir string) {
			removeAll(t, modelPath(dir, "versions", version))
			editEntries(t, dir, func(v entries) { delete(v, version) })
		}
	}
	for name, test := range map[string]struct {
		// before happens when 1.0.0, 1.0.1 and 1.0.2 were in production, one
		// after the other, and 1.0.3 never was.
		before func(t *testing.T, r *mr.ModelRegistry, dir string)
		want   []string
	}{
		"nothing happened": {func(*testing.T, *mr.ModelRegistry, string) {}, []string{"1.0.1", "1.0.0"}},
		"a rollback, then a promotion": {func(t *testing.T, r *mr.ModelRegistry, _ string) {
			if _, err := r.Rollback(t.Context(), fraud, nil); err != nil {
				t.Fatal(err)
			}
			promote(t, r, "1.0.3", mr.Production)
		}, []string{"1.0.1", "1.0.0"}},
		"a rollback to a version": {func(t *testing.T, r *mr.ModelRegistry, _ string) {
			if _, err := r.RollbackTo(t.Context(), fraud.At("1.0.0"), nil); err != nil {
				t.Fatal(err)
			}
		}, nil},
		"the predecessor was archived once more": {func(t *testing.T, r *mr.ModelRegistry, _ string) {
			promote(t, r, "1.0.1", mr.Staging)
			archive(t, r, "1.0.1")
		}, []string{"1.0.1", "1.0.0"}},
		"production was archived": {func(t *testing.T, r *mr.ModelRegistry, _ string) { archive(t, r, "1.0.2") },
			[]string{"1.0.2", "1.0.1", "1.0.0"}},
		"another program promoted": {foreign(func(v entries) {
			v["1.0.2"]["stage"], v["1.0.3"]["stage"] = "archived", "production"
		}), []string{"1.0.2", "1.0.1", "1.0.0"}},
		"another program went back, which looks like a promotion": {foreign(func(v entries) {
			v["1.0.2"]["stage"], v["1.0.1"]["stage"] = "archived", "production"
		}), []string{"1.0.2", "1.0.1", "1.0.0"}},
		"another program emptied production": {foreign(func(v entries) { v["1.0.2"]["stage"] = "archived" }),
			[]string{"1.0.2", "1.0.1", "1.0.0"}},
		"another program removed the predecessor": {deletes("1.0.1"), []string{"1.0.0"}},
		"another program removed production":      {deletes("1.0.2"), []string{"1.0.1", "1.0.0"}},
		"another program put a second one there": {foreign(func(v entries) { v["1.0.3"]["stage"] = "production" }),
			[]string{"1.0.2", "1.0.1", "1.0.0"}},
		"another program edited something else": {foreign(func(v entries) { v["1.0.2"]["metadata"] = map[string]any{"note": "x"} }),
			[]string{"1.0.1", "1.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			inProduction(t, r, "1.0.0", "1.0.1", "1.0.2")
			register(t, r, "1.0.3", nil)
			test.before(t, r, dir)
			for _, want := range test.want {
				v, err := openStore(t, dir, nil).Rollback(t.Context(), fraud, nil)
				if err != nil || v.Version != want || v.Stage != mr.Production {
					t.Fatalf("back to %s, %v, want %s", v.Version, err, want)
				}
			}
			_, err := r.Rollback(t.Context(), fraud, nil)
			wantError(t, err, "rollback", fraud, "", mr.ErrNotFound)
		})
	}
}
