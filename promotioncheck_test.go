package modelregistry_test

import (
	"os"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
)

// CheckPromotion decides as Promote does, and changes nothing.
func TestCheckPromotionDecidesAsPromote(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	register(t, r, "1.0.1", map[string]any{"auc": 0.9})
	promote(t, r, "1.0.1", mr.Staging)
	ctx, damaged := t.Context(), modelPath(dir, "versions", "1.0.1", "model", "weights.bin")
	type want struct {
		version, archives     string
		allowed, done, failed bool // failed: with an error
		gates                 int
	}
	for name, test := range map[string]struct {
		ref    mr.Ref
		to     mr.ModelStage
		opts   mr.MoveOptions
		damage bool
		want   want
	}{
		"allowed":         {fraud.In(mr.Staging), mr.Production, mr.MoveOptions{Gates: mr.MinMetric("auc", 0.8)}, false, want{version: "1.0.1", archives: "1.0.0", allowed: true, gates: 1}},
		"refused":         {fraud.At("1.0.1"), mr.Production, mr.MoveOptions{Gates: mr.Gates(mr.MinMetric("auc", 0.95), mr.MaxMetric("loss", 1))}, false, want{version: "1.0.1", archives: "1.0.0", gates: 2}},
		"gates skipped":   {fraud.At("1.0.1"), mr.Production, mr.MoveOptions{Gates: mr.MinMetric("auc", 0.95), SkipGates: true}, false, want{version: "1.0.1", archives: "1.0.0", allowed: true}},
		"done":            {fraud.At("1.0.0"), mr.Production, mr.MoveOptions{Gates: mr.MinMetric("auc", 0.8)}, false, want{version: "1.0.0", allowed: true, done: true}},
		"downwards":       {fraud.At("1.0.1"), mr.Development, mr.MoveOptions{}, false, want{failed: true}},
		"no such version": {fraud.At("9.9.9"), mr.Staging, mr.MoveOptions{}, false, want{failed: true}},
		"no stage":        {fraud.At("1.0.1"), "prod", mr.MoveOptions{}, false, want{failed: true}},
		"other version":   {fraud.At("1.0.1"), mr.Production, mr.MoveOptions{IfProduction: "0.9.0"}, false, want{failed: true}},
		"damaged":         {fraud.At("1.0.1"), mr.Production, mr.MoveOptions{}, true, want{failed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.damage {
				old, err := os.ReadFile(damaged)
				if err != nil {
					t.Fatal(err)
				}
				replaceFile(t, damaged, []byte("w3ights"))
				defer replaceFile(t, damaged, old)
			}
			check := unchanged(t, dir)
			c, err := r.CheckPromotion(ctx, test.ref, test.to, &test.opts)
			check()
			got := want{c.Version.Version, c.Archives, c.Allowed, c.Done, err != nil, len(c.Gates)}
			if got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
			if test.want.failed {
				wantError(t, err, "check promotion", fraud, test.ref.Version)
			}
		})
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Staging})
	if _, err := r.Promote(ctx, fraud.In(mr.Staging), mr.Production, &mr.MoveOptions{Gates: mr.MinMetric("auc", 0.8)}); err != nil {
		t.Error(err)
	}
}

// replaceFile replaces what a file holds, also if it is read-only.
func replaceFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o444); err != nil {
		t.Fatal(err)
	}
}
