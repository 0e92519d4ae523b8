package modelregistry_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

func kinds(report *mr.RepairReport) []string {
	var list []string
	for _, a := range report.Actions {
		list = append(list, string(a.Kind))
	}
	return list
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for name, harm := range storetest.Harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := three(t)
			harm.Do(t, dir)
			before := files(t, dir)
			check := unchanged(t, dir)
			r := openStore(t, dir, nil)
			plan, err := r.Repair(t.Context(), fraud, nil)
			if err != nil {
				t.Fatal(err)
			}
			check()
			if plan.Applied || len(plan.Kept) > 0 {
				t.Errorf("a plan says that it was applied: %+v", plan)
			}
			done, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true, Actor: "alice", Reason: "disk trouble"})
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []*mr.RepairReport{plan, done} {
				if diff := cmp.Diff(harm.Repairs, kinds(got)); diff != "" {
					t.Errorf("actions (-want +got):\n%s%v", diff, got.Actions)
				}
			}
			if diff := cmp.Diff(plan.Actions, done.Actions); diff != "" {
				t.Errorf("what was done is not what would be (-would +was):\n%s", diff)
			}
			wantKept(t, dir, before, done.Kept)
			for _, f := range verified(t, dir) {
				if !strings.HasPrefix(f, "set aside") && !strings.HasPrefix(f, "foreign file") {
					t.Errorf("still there: %s", f)
				}
			}
			again, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true})
			if err != nil || len(again.Actions) > 0 {
				t.Errorf("a second repair does %v, %v", again.Actions, err)
			}
			goesOn(t, dir, harm.Stages)
		})
	}
}

// wantKept checks that what a repair replaced can be had back, byte for byte.
func wantKept(t testing.TB, dir string, before map[string]string, kept []string) {
	t.Helper()
	after := files(t, dir)
	for _, k := range kept {
		was := map[string]string{}
		for name, data := range after {
			if name == k || strings.HasPrefix(name, k+"/") {
				was[fraud.String()+"/"+path.Base(k)+name[len(k):]] = data
			}
		}
		if len(was) == 0 {
			t.Errorf("%s is not there", k)
		}
		for name, data := range was {
			if old, ok := before[name]; !ok || old != data {
				t.Errorf("%s is not what was replaced", k)
			}
		}
	}
	for _, name := range []string{"registry.json", "history.jsonl"} {
		old, now := before[fraud.String()+"/"+name], after[fraud.String()+"/"+name]
		named := slices.ContainsFunc(kept, func(k string) bool { return filepath.Base(k) == name })
		if old != "" && !strings.HasPrefix(now, strings.TrimSuffix(old, "\n")) && name == "history.jsonl" && !named {
			// A torn end goes; what was whole stays.
			if whole := old[:strings.LastIndex(old, "\n")+1]; !strings.HasPrefix(now, whole) {
				t.Errorf("%s was replaced and not kept", name)
			}
		}
	}
}

// goesOn checks that fresh registries read the repaired store, from the
// document and by replay, and that changes go on.
func goesOn(t testing.TB, dir string, want map[string]mr.ModelStage) {
	t.Helper()
	wantStages(t, openStore(t, dir, nil), want)
	os.Remove(modelPath(dir, "registry.json"))
	r := openStore(t, dir, nil)
	wantStages(t, r, want)
	v := register(t, r, "", nil)
	promote(t, r, v.Version, mr.Production)
	for version := range want {
		m, err := r.GetModel(t.Context(), fraud.At(version), &mr.GetOptions{Verify: true})
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		if auc, _ := m.Version.Metrics.Float("auc"); version == "1.0.2" && auc != 0.95 {
			t.Errorf("the metrics of 1.0.2 are lost: %v", m.Version.Metrics)
		}
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 {
		t.Errorf("%v, %v", report.Problems(), err)
	}
}

// The history says who repaired it and what was repaired, and keeps every line
// that could be read.
func TestRepairIsInTheHistory(t *testing.T) {
	t.Parallel()
	dir := three(t)
	edit(t, modelPath(dir, "history.jsonl"), func(s string) string {
		l := strings.SplitAfter(s, "\n")
		l[1] = "garbage\n"
		return strings.Join(l, "")
	})
	r := openStore(t, dir, nil)
	if _, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true, Actor: "alice", Reason: "disk trouble"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range history(t, dir) {
		got = append(got, strings.TrimSpace(e["op"].(string)+" "+str(e["version"])))
	}
	want := []string{"register 1.0.0", "repair", "register 1.0.1", "promote 1.0.1", "register 1.0.2", "repair"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	end := last(t, dir)
	if end["actor"] != "alice" || !strings.HasPrefix(str(end["reason"]), "disk trouble; rebuild history: ") {
		t.Errorf("the repair is by %v, because %v", end["actor"], end["reason"])
	}
	if v, err := r.Rollback(t.Context(), fraud, nil); err != nil || v.Version != "1.0.0" {
		t.Errorf("rolled back to %q, %v", v.Version, err)
	}
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func TestRepairOfNothing(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	check := unchanged(t, dir)
	for _, apply := range []bool{false, true} {
		_, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: apply})
		wantError(t, err, "repair", fraud, "", mr.ErrNotFound)
	}
	check()
}

// A registry that had the state from before the repair in memory sees the
// repaired one.
func TestRepairIsSeenByOthers(t *testing.T) {
	t.Parallel()
	dir := three(t)
	other := openStore(t, dir, nil)
	wantStages(t, other, threeStages)
	edit(t, modelPath(dir, "history.jsonl"), func(s string) string { return strings.Replace(s, `"event":2`, `"event":9`, 1) })
	if _, err := openStore(t, dir, nil).Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	wantStages(t, other, threeStages)
	promote(t, other, "1.0.2", mr.Production)
	wantFindings(t, dir, "set aside "+repairFolder(t, dir))
}

func repairFolder(t testing.TB, dir string) string {
	t.Helper()
	kept, err := os.ReadDir(modelPath(dir, ".repairs"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	return kept[0].Name()
}
