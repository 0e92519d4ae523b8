package modelregistry_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// periodLine is a stage period on one line, times as hours.
func periodLine(l mr.StagePeriod) string {
	hour := func(t time.Time) string {
		if t.IsZero() {
			return "?"
		}
		return fmt.Sprint(t.Hour())
	}
	s := fmt.Sprintf("%s %s-", l.Version, hour(l.Since))
	if l.End != nil {
		s += hour(l.Until)
	}
	if l.By != "" {
		s += " " + l.By
	}
	if l.Event.Reason != "" {
		s += " " + l.Event.Reason
	}
	s += fmt.Sprintf(" by %s", l.Event.Op)
	if l.End != nil {
		s += fmt.Sprintf(", %s", l.End.Op)
	}
	if l.Inferred {
		s += ", inferred"
	}
	return s
}

func wantStagePeriods(t testing.TB, r *mr.ModelRegistry, stage mr.ModelStage, want ...string) {
	t.Helper()
	list, err := r.StagePeriods(t.Context(), fraud, stage)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range list {
		if l.Stage != stage || l.Name != fraud {
			t.Errorf("stage period %+v", l)
		}
		got = append(got, periodLine(l))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", stage, diff)
	}
}

// wantProduction checks which version was in production at some hours; "" means
// none.
func wantProduction(t testing.TB, r *mr.ModelRegistry, want map[int]string) {
	t.Helper()
	for hour, version := range want {
		// A nanosecond before the next hour it is what it was at this one.
		for _, at := range []time.Time{oclock(hour), oclock(hour + 1).Add(-1)} {
			l, err := r.ProductionAt(t.Context(), fraud, at)
			if l.Version != version || (version == "") != errors.Is(err, mr.ErrNotFound) || version != "" && err != nil {
				t.Errorf("in production at %v: %q, %v, want %q", at, l.Version, err, version)
			}
		}
	}
}

func TestProductionAt(t *testing.T) {
	t.Parallel()
	r, dir, clock := life(t)
	for _, r := range []*mr.ModelRegistry{r, openStore(t, dir, &mr.Options{Now: clock.now})} {
		wantStagePeriods(t, r, mr.Production, "1.0.0 2-5 bert first by promote, promote", "1.0.1 5-6 carl by promote, rollback",
			"1.0.0 6-7 dora alarms by rollback, demote")
		wantStagePeriods(t, r, mr.Staging, "1.0.0 7- emil by demote")
		wantStagePeriods(t, r, mr.Development, "1.0.0 1-2 anna by register, promote", "1.0.1 3-5 ci by register, promote")
		wantStagePeriods(t, r, mr.Archived, "1.0.0 5-6 carl by promote, rollback", "1.0.1 6- dora alarms by rollback")
		wantProduction(t, r, map[int]string{0: "", 1: "", 2: "1.0.0", 3: "1.0.0", 4: "1.0.0", 5: "1.0.1", 6: "1.0.0", 7: "", 22: "", 23: ""})
	}
	if _, err := r.ProductionAt(t.Context(), fraud, time.Time{}); !errors.Is(err, mr.ErrNotFound) {
		t.Errorf("now: %v", err)
	}
	_, err := r.StageAt(t.Context(), fraud, "prod", time.Time{})
	wantError(t, err, "stage at", fraud, "", mr.ErrInvalid)
}

func TestStageAtOfSeveral(t *testing.T) {
	t.Parallel()
	clock := &hours{}
	r, _ := newStore(t, &mr.Options{Now: clock.now})
	for i, v := range []string{"1.0.0", "1.0.1", "1.0.2"} {
		clock.set(i + 1)
		register(t, r, v, nil)
	}
	for i, v := range []string{"1.0.1", "1.0.0"} {
		clock.set(i + 4)
		promote(t, r, v, mr.Staging)
	}
	clock.set(23)
	for at, want := range map[int][]string{3: nil, 4: {"1.0.1"}, 5: {"1.0.0", "1.0.1"}, 23: {"1.0.0", "1.0.1"}} {
		list, err := r.StageAt(t.Context(), fraud, mr.Staging, oclock(at))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list {
			got = append(got, l.Version)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in staging at %d (-want +got):\n%s", at, diff)
		}
	}
}

// Invariant 10: the clock may stand still or run backwards.
func TestProductionAtByAWrongClock(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		registered int
		promoted   []int // when each version was promoted, by the clock
		now        int
		want       []string
	}{
		"right":              {1, []int{2, 3, 4}, 5, []string{"1.0.0 2-3", "1.0.1 3-4", "1.0.2 4-"}},
		"stands still":       {1, []int{2, 2, 3}, 5, []string{"1.0.1 2-3", "1.0.2 3-"}},
		"once far ahead":     {1, []int{2, 22, 4}, 23, []string{"1.0.1 2-4", "1.0.2 4-"}},
		"once far behind":    {10, []int{11, 1, 13}, 23, []string{"1.0.1 11-13", "1.0.2 13-"}},
		"first ahead":        {20, []int{2, 3, 4}, 23, []string{"1.0.0 2-3", "1.0.1 3-4", "1.0.2 4-"}},
		"last behind":        {5, []int{6, 7, 2}, 23, []string{"1.0.0 6-7", "1.0.2 7-"}},
		"last in the future": {1, []int{2, 3, 22}, 5, []string{"1.0.0 2-3", "1.0.1 3-5", "1.0.2 5-"}},
		"all in the future":  {19, []int{20, 21, 22}, 5, []string{"1.0.2 5-"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &hours{hour: test.registered}
			r, _ := newStore(t, &mr.Options{Now: clock.now})
			versions := []string{"1.0.0", "1.0.1", "1.0.2"}
			for _, v := range versions {
				register(t, r, v, nil)
			}
			for i, v := range versions {
				clock.set(test.promoted[i])
				promote(t, r, v, mr.Production)
			}
			clock.set(test.now)
			list, err := r.StagePeriods(t.Context(), fraud, mr.Production)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range list {
				s := fmt.Sprintf("%s %d-", l.Version, l.Since.Hour())
				if l.End != nil {
					s += fmt.Sprint(l.Until.Hour())
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, at := range []time.Time{{}, oclock(test.now), oclock(test.now + 1)} {
				if l, err := r.ProductionAt(t.Context(), fraud, at); err != nil || l.Version != "1.0.2" {
					t.Errorf("now in production: %s, %v", l.Version, err)
				}
			}
		})
	}
}

func stampAt(hour int) string { return oclock(hour).Format(time.RFC3339) }

// Moves that another program made before the store was imported are known from
// the times in the entries.
func TestStagePeriodsBeforeAnImport(t *testing.T) {
	t.Parallel()
	entry := func(stage string, stamps ...any) string {
		s := fmt.Sprintf(`{"stage": %q, "promoted_by": "py"`, stage)
		for i := 0; i < len(stamps); i += 2 {
			s += fmt.Sprintf(`, %q: %q`, stamps[i], stampAt(stamps[i+1].(int)))
		}
		return s + "}"
	}
	dir := handWritten(t,
		[2]string{"1.0.0", entry("archived", "registered_at", 1, "promoted_to_prod", 2, "archived_at", 5)},
		[2]string{"1.1.0", entry("archived", "registered_at", 3, "promoted_to_staging", 4, "promoted_to_prod", 5, "archived_at", 7)},
		[2]string{"1.2.0", entry("production", "registered_at", 6, "promoted_to_prod", 7, "archived_at", 6)},
		[2]string{"1.3.0", entry("development", "registered_at", 6, "promoted_to_staging", 7)}, // when it left staging is not known
		[2]string{"1.4.0", entry("staging")})
	clock := &hours{hour: 10}
	r := openStore(t, dir, &mr.Options{Now: clock.now})
	check := func(end string) {
		t.Helper()
		wantStagePeriods(t, r, mr.Production, "1.0.0 2-5 py by import, import, inferred", "1.1.0 5-7 py by import, import, inferred", "1.2.0 7-"+end)
		wantProduction(t, r, map[int]string{1: "", 2: "1.0.0", 4: "1.0.0", 5: "1.1.0", 6: "1.1.0", 7: "1.2.0", 9: "1.2.0"})
		wantStagePeriods(t, r, mr.Staging, "1.1.0 4-5 by import, import, inferred", "1.4.0 ?- py by import, inferred")
	}
	check(" py by import, inferred")
	if l, err := r.ProductionAt(t.Context(), fraud, time.Time{}); err != nil || l.Version != "1.2.0" || !l.Event.Unrecorded() {
		t.Errorf("now: %+v, %v", l, err)
	}
	if list, err := r.StageAt(t.Context(), fraud, mr.Staging, oclock(9)); err != nil || len(list) != 0 {
		t.Errorf("in staging before anything tells: %+v, %v", list, err)
	}
	clock.set(12)
	if _, err := r.Archive(t.Context(), fraud.At("1.2.0"), nil); err != nil {
		t.Fatal(err)
	}
	clock.set(15)
	check("12 py by import, archive, inferred")
	wantProduction(t, r, map[int]string{11: "1.2.0", 12: ""})
}

// Moves that another program made between two changes have the times that it
// wrote.
func TestStagePeriodsOverAnExternalChange(t *testing.T) {
	t.Parallel()
	clock := &hours{hour: 1}
	r, dir := newStore(t, &mr.Options{Now: clock.now})
	inProduction(t, r, "1.0.0")
	register(t, r, "1.0.1", nil)
	register(t, r, "1.0.2", nil)
	editEntries(t, dir, func(versions map[string]map[string]any) {
		set := func(v, stage string, stamps map[string]int) {
			versions[v]["stage"] = stage
			versions[v]["promoted_by"] = "py"
			for key, hour := range stamps {
				versions[v][key] = stampAt(hour)
			}
		}
		set("1.0.0", "archived", map[string]int{"archived_at": 4})
		set("1.0.1", "archived", map[string]int{"promoted_to_prod": 4, "archived_at": 6})
		set("1.0.2", "production", map[string]int{"promoted_to_prod": 6})
	})
	clock.set(8)
	check := func(now string) {
		t.Helper()
		wantStagePeriods(t, r, mr.Production, "1.0.0 1-4 by promote, foreign", "1.0.1 4-6 py by foreign, foreign, inferred", "1.0.2 6-"+now)
	}
	check(" py by foreign, inferred")
	if _, err := r.Rollback(t.Context(), fraud, nil); err != nil {
		t.Fatal(err)
	}
	clock.set(9)
	list, err := r.StagePeriods(t.Context(), fraud, mr.Production)
	if err != nil || len(list) != 4 || periodLine(list[3]) != "1.0.0 8- by rollback" {
		t.Errorf("%v, %v", list, err)
	}
}

// If two versions are in production, only the one that was promoted last
// counts.
func TestStagePeriodsOfTwoInProduction(t *testing.T) {
	t.Parallel()
	clock := &hours{hour: 1}
	r, dir := newStore(t, &mr.Options{Now: clock.now})
	inProduction(t, r, "1.0.0")
	register(t, r, "1.0.1", nil)
	editEntries(t, dir, func(versions map[string]map[string]any) { versions["1.0.1"]["stage"] = "production" })
	clock.set(3)
	wantStagePeriods(t, r, mr.Production, "1.0.0 1-3 by promote, foreign", "1.0.1 3- by foreign")
	wantStagePeriods(t, r, mr.Archived, "1.0.0 3- by foreign")
	register(t, r, "1.0.2", nil) // mends it
	clock.set(4)
	wantStagePeriods(t, r, mr.Production, "1.0.0 1-3 by promote, foreign", "1.0.1 3- by foreign")
	wantStagePeriods(t, r, mr.Archived, "1.0.0 3- by foreign")
}
