package modelregistry_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// secondProduction edits the entry of a version, which must be the first one in
// the document, so that it is in production beside another one.
func secondProduction(t *testing.T, dir string) {
	t.Helper()
	edit(t, modelPath(dir, "registry.json"), func(s string) string {
		return strings.Replace(s, `"stage": "archived"`, `"stage": "production"`, 1)
	})
}

// Of two versions in production, one is shown as archived. The list,
// references, moves, stage periods and the history agree on that, before and
// after a change records it.
func TestReadersAgreeOnTwoProductions(t *testing.T) {
	t.Parallel()
	dir := three(t)
	secondProduction(t, dir)
	r := openStore(t, dir, nil)
	want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Development}
	for _, when := range []string{"unrecorded", "recorded by the next change"} {
		wantStages(t, r, want)
		for version, stage := range want {
			if v, err := r.GetVersion(t.Context(), fraud.In(stage)); err != nil || v.Version != version || v.Stage != stage {
				t.Errorf("%s: @%s is %s in %q, want %s: %v", when, stage, v.Version, v.Stage, version, err)
			}
			held, err := r.StageAt(t.Context(), fraud, stage, time.Time{})
			if err != nil || len(held) != 1 || held[0].Version != version {
				t.Errorf("%s: held %s: %v, %v; want %s alone", when, stage, held, err, version)
			}
		}
		var beside []mr.Change
		for e, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{Ops: []mr.Operation{mr.OpForeign}}) {
			if err != nil {
				t.Fatal(err)
			}
			beside = append(beside, e.Changes...)
		}
		wantChanges := []mr.Change{{Version: "1.0.0", From: mr.Archived, To: mr.Production, Beside: []string{"1.0.1"}}}
		if diff := cmp.Diff(wantChanges, beside); diff != "" {
			t.Errorf("%s: the history (-want +got):\n%s", when, diff)
		}
		if when == "unrecorded" {
			register(t, r, "1.0.3", nil)
			want["1.0.2"] = mr.Development
			if _, err := r.Archive(t.Context(), fraud.At("1.0.3"), nil); err != nil {
				t.Fatal(err)
			}
			promote(t, r, "1.0.3", mr.Staging) // only 1.0.1 stays archived
			want["1.0.3"] = mr.Staging
		}
	}
}

// @archived names the version that is shown as archived even if others were
// archived before. A change under the lock finds the same one.
func TestSecondProductionIsArchivedLast(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	if _, err := r.Archive(t.Context(), fraud.At("1.0.2"), nil); err != nil {
		t.Fatal(err)
	}
	secondProduction(t, dir)
	if v, err := r.GetVersion(t.Context(), fraud.In(mr.Archived)); err != nil || v.Version != "1.0.1" {
		t.Errorf("@archived is %q, %v; want 1.0.1, which stays stored as in production", v.Version, err)
	}
	v, err := r.Promote(t.Context(), fraud.In(mr.Archived), mr.Staging, nil)
	if err != nil || v.Version != "1.0.1" {
		t.Errorf("promoted %q to staging, %v; want 1.0.1", v.Version, err)
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Staging, "1.0.2": mr.Archived})
}

// Once the version in production is gone, the other one is there, and the stage
// periods say so.
func TestSecondProductionTakesOver(t *testing.T) {
	t.Parallel()
	dir := three(t)
	secondProduction(t, dir)
	r := openStore(t, dir, nil)
	if _, err := r.Archive(t.Context(), fraud.At("1.0.0"), nil); err != nil {
		t.Fatal(err)
	}
	list, err := r.ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		held, err := r.StageAt(t.Context(), fraud, v.Stage, time.Time{})
		if err != nil || !slices.ContainsFunc(held, func(p mr.StagePeriod) bool { return p.Version == v.Version }) {
			t.Errorf("%s is listed in %s, and the stage periods say %v, %v", v.Version, v.Stage, held, err)
		}
	}
}

// Verify says that an edit put a second version into production, and beside
// which one.
func TestVerifyNamesBothInProduction(t *testing.T) {
	t.Parallel()
	dir := three(t)
	secondProduction(t, dir)
	report, err := openStore(t, dir, nil).Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Findings {
		got = append(got, f.String())
	}
	want := []string{
		"external change: fraud_detection/FraudRiskModel/registry.json: 1.0.0: stage (now in production beside 1.0.1)",
		"multiple production: fraud_detection/FraudRiskModel@1.0.0: 1.0.0 and 1.0.1 are stored as in production; " +
			"this one was promoted last, and the next change archives the other",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verify (-want +got):\n%s", diff)
	}
}
