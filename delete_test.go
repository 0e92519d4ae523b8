package modelregistry_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// deletable makes a store with 1.0.0 archived, 1.0.1 and 1.0.2 archived after
// production, 1.0.3 in production and 1.0.4 in development.
func deletable(t *testing.T) (r *mr.ModelRegistry, dir string) {
	t.Helper()
	r, dir = newStore(t, nil)
	for _, v := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4"} {
		register(t, r, v, map[string]any{"auc": 0.9})
	}
	for _, v := range []string{"1.0.1", "1.0.2", "1.0.3"} {
		promote(t, r, v, mr.Production)
	}
	return r, dir
}

func deleteVersion(t *testing.T, r *mr.ModelRegistry, version string) {
	t.Helper()
	if err := r.Delete(t.Context(), fraud.At(version), &mr.KeepOptions{Actor: "ann", Reason: "old"}); err != nil {
		t.Fatal(err)
	}
}

func hasTree(dir, version string) bool {
	_, err := os.Stat(modelPath(dir, "versions", version, "model"))
	return err == nil
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	ctx := t.Context()
	m, err := r.GetModel(ctx, fraud.At("1.0.0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	deleteVersion(t, r, "1.0.0")
	events := len(history(t, dir))
	deleteVersion(t, r, "1.0.0") // a repeated call
	if got := len(history(t, dir)); got != events {
		t.Errorf("a repeated Delete wrote %d events", got-events)
	}
	if _, err := os.ReadDir(m.Path); err != nil {
		t.Errorf("the files of a model that is open: %v", err)
	}
	m.Close()
	for which, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
		_, err = r.GetModel(ctx, fraud.At("1.0.0"), nil)
		var deleted *mr.DeletedError
		if !errors.Is(err, mr.ErrDeleted) || !errors.Is(err, mr.ErrNotFound) || !errors.As(err, &deleted) || deleted.By != "ann" || deleted.Reason != "old" || deleted.At.IsZero() || !deleted.Purged.IsZero() {
			t.Errorf("%s registry: got error %v, want a *DeletedError", which, err)
		}
		list, err := r.ListVersions(ctx, fraud)
		if err != nil || len(list) != 4 || slices.ContainsFunc(list, func(v mr.ModelVersion) bool { return v.Version == "1.0.0" }) {
			t.Errorf("%s registry: listed %v, %v", which, list, err)
		}
	}
	if _, err := r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: "1.0.0"}); !errors.Is(err, mr.ErrExists) {
		t.Errorf("the number again: got error %v, want ErrExists", err)
	}
	periods, err := r.StagePeriods(ctx, fraud, mr.Development)
	if err != nil || !slices.ContainsFunc(periods, func(p mr.StagePeriod) bool { return p.Version == "1.0.0" }) {
		t.Errorf("the stage periods lack the deleted version: %v", err)
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
	report, err := r.Repair(ctx, fraud, &mr.RepairOptions{Apply: true})
	if err != nil || len(report.Actions) > 0 || !hasTree(dir, "1.0.0") {
		t.Errorf("Repair does %+v, %v", report, err)
	}
	for _, err := range []error{r.Delete(ctx, fraud.At("9.9.9"), nil), r.Undelete(ctx, fraud.At("9.9.9"), nil), r.Hold(ctx, fraud.At("9.9.9"), nil)} {
		if !errors.Is(err, mr.ErrNotFound) || errors.Is(err, mr.ErrDeleted) {
			t.Errorf("of a version that never was: got error %v, want ErrNotFound", err)
		}
	}
	for _, ref := range []mr.Ref{fraud.In(mr.Staging), fraud.Aliased("champion"), fraud.Matching("latest"), {Name: fraud, Version: "1.0.4", Stage: mr.Development}} {
		for op, err := range map[string]error{"Delete": r.Delete(ctx, ref, nil), "Undelete": r.Undelete(ctx, ref, nil), "Hold": r.Hold(ctx, ref, nil), "Unhold": r.Unhold(ctx, ref, nil)} {
			if !errors.Is(err, mr.ErrInvalid) {
				t.Errorf("%s of %s: got error %v, want ErrInvalid", op, ref, err)
			}
		}
	}
}

func TestDeleteRefusesProtectedVersions(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	ctx := t.Context()
	register(t, r, "1.0.5", nil)
	setAliases(t, r, map[string]string{"champion": "1.0.1"}, nil)
	if err := r.Hold(ctx, fraud.At("1.0.0"), &mr.KeepOptions{Actor: "law", Reason: "case 7"}); err != nil {
		t.Fatal(err)
	}
	if v, err := r.GetVersion(ctx, fraud.At("1.0.0")); err != nil || !strings.Contains(mustJSON(t, v), `+00:00","reason":"case 7"}`) {
		t.Errorf("the hold shows in %s, %v, not with a time like the others", mustJSON(t, v), err)
	}
	protected := map[string]string{
		"1.0.0": "it is held by law: case 7", "1.0.1": "the alias champion names it", "1.0.2": "a rollback would restore it",
		"1.0.3": "it is in production", "1.0.5": "it has the highest number",
	}
	for _, version := range slices.Sorted(maps.Keys(protected)) { // without 1.0.2, a rollback would restore 1.0.1
		why := protected[version]
		err := r.Delete(ctx, fraud.At(version), nil)
		if !errors.Is(err, mr.ErrProtected) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got error %v, want ErrProtected with %q", version, err, why)
		}
		err = r.Delete(ctx, fraud.At(version), &mr.KeepOptions{Force: true})
		if held := version == "1.0.0"; held != errors.Is(err, mr.ErrProtected) || !held && err != nil {
			t.Errorf("%s by force: got error %v", version, err)
		}
		if e := last(t, dir); version != "1.0.0" && (e["op"] != "delete" || e["forced"] != true) {
			t.Errorf("%s: the history says %v, want a forced deletion", version, e)
		}
	}
	if err := r.Unhold(ctx, fraud.At("1.0.0"), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(ctx, fraud.At("1.0.0"), &mr.KeepOptions{Force: true}); err != nil {
		t.Error(err)
	}
	_, err := r.GetVersion(ctx, fraud.Aliased("champion"))
	if !errors.Is(err, mr.ErrDeleted) || !strings.Contains(err.Error(), "alias champion: version 1.0.1: deleted") {
		t.Errorf("an alias of a deleted version: got error %v", err)
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

func TestDeleteModel(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	ctx := t.Context()
	if err := r.DeleteModel(ctx, fraud, nil); !errors.Is(err, mr.ErrProtected) || !strings.Contains(err.Error(), "version 1.0.") {
		t.Errorf("with protected versions: got error %v, want ErrProtected that names one", err)
	}
	if err := r.DeleteModel(ctx, fraud, &mr.KeepOptions{Force: true}); !errors.Is(err, mr.ErrInvalid) {
		t.Errorf("by force: got error %v, want ErrInvalid", err)
	}
	for _, v := range []string{"1.0.2", "1.0.3", "1.0.1"} {
		if err := r.Delete(ctx, fraud.At(v), &mr.KeepOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.DeleteModel(ctx, fraud, &mr.KeepOptions{Actor: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	churn := mr.ModelName{UseCase: "a", Model: "Churn"}
	if _, err := r.Register(ctx, churn, artifact(), nil); err != nil {
		t.Fatal(err)
	}
	for which, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
		if list, err := r.ListVersions(ctx, fraud); err != nil || len(list) != 0 {
			t.Errorf("%s registry: listed %v, %v", which, list, err)
		}
		wantModels(t, r, churn)
		if report, err := r.Verify(ctx, nil); err != nil || !slices.Contains(report.Models, fraud) {
			t.Errorf("%s registry: Verify checks %v, %v; want also %s", which, report.Models, err, fraud)
		}
		var measured []mr.ModelName
		for u, err := range r.Usage(ctx, nil) {
			if measured = append(measured, u.Name); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(measured, []mr.ModelName{churn, fraud}) {
			t.Errorf("%s registry: Usage of %v, want also %s", which, measured, fraud)
		}
	}
	n := 0
	for _, err := range r.History(ctx, fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(history(t, dir)) {
		t.Errorf("%d events", n)
	}
	if v := register(t, r, "", nil); v.Version != "1.0.5" {
		t.Errorf("registered %s, want 1.0.5", v.Version)
	}
	wantModels(t, r, churn, fraud)
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

func wantModels(t *testing.T, r *mr.ModelRegistry, want ...mr.ModelName) {
	t.Helper()
	var got []mr.ModelName
	for name, err := range r.Models(t.Context()) {
		if got = append(got, name); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Models yields %v, want %v", got, want)
	}
}

// A server goes on with a version that is deleted and purged, reports that, and
// changes to another one when its reference means that.
func TestLiveGoesOnWithADeletedVersion(t *testing.T) {
	t.Parallel()
	r, _ := deletable(t)
	ctx := t.Context()
	setAliases(t, r, map[string]string{"champion": "1.0.0"}, nil)
	load := func(_ context.Context, m *mr.Model) (string, error) { return m.Version.Version, nil }
	live, err := mr.NewLive(ctx, r, fraud.Aliased("champion"), load, &mr.LiveOptions[string]{Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	serves := func() (version string) {
		if err := live.Do(func(v string, _ *mr.ModelVersion) error { version = v; return nil }); err != nil {
			t.Error(err)
		}
		return version
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not in time: %s; the status is %+v", what, live.Status())
			}
		}
	}
	if err := r.Delete(ctx, fraud.At("1.0.0"), &mr.KeepOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Purge(ctx, fraud, &mr.PurgeOptions{Now: true, Apply: true}); err != nil {
		t.Fatal(err)
	}
	until("the status says that it was deleted", func() bool { return errors.Is(live.Status().LastError, mr.ErrDeleted) })
	if got := serves(); got != "1.0.0" {
		t.Errorf("serves %q after the deletion, want 1.0.0", got)
	}
	setAliases(t, r, map[string]string{"champion": "1.0.4"}, nil)
	until("it serves 1.0.4", func() bool { return serves() == "1.0.4" })
}

// Ubunye counts from the releases only, so the highest of them is protected,
// and not a pre-release above it.
func TestHighestReleaseIsProtectedBelowAPrerelease(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	for _, version := range []string{"1.0.0", "1.0.1", "2.0.0-rc.1"} {
		register(t, r, version, nil)
	}
	err := r.Delete(t.Context(), fraud.At("1.0.1"), nil)
	if !errors.Is(err, mr.ErrProtected) || !strings.Contains(err.Error(), "it has the highest number") {
		t.Errorf("the highest release: got error %v, want ErrProtected", err)
	}
	deleteVersion(t, r, "2.0.0-rc.1")
}

// Retain keeps a version if another program wrote times that can't be read.
func TestRetainKeepsVersionsWithUnreadableTimes(t *testing.T) {
	t.Parallel()
	dir := handWritten(t,
		[2]string{"1.0.0", `{"version": "1.0.0", "stage": "development", "registered_at": "yesterday", "promoted_to_prod": "today"}`},
		[2]string{"1.0.1", `{"version": "1.0.1", "stage": "development", "registered_at": "2020-01-01T00:00:00+00:00"}`})
	r := openStore(t, dir, nil)
	for _, keep := range []mr.Retention{{KeepNewerThan: time.Hour}, {KeepEverInProduction: true}} {
		list, err := r.Retain(t.Context(), fraud, keep, nil)
		if err != nil || len(list) != 2 || len(list[1].Keep) != 1 {
			t.Errorf("with %+v: got %+v, %v, want 1.0.0 kept", keep, list, err)
		}
	}
}
