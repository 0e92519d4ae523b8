package modelregistry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// wantMoved checks which version a move by a reference moved, or found there.
func wantMoved(t *testing.T, version string, to mr.ModelStage) func(mr.ModelVersion, error) {
	return func(v mr.ModelVersion, err error) {
		t.Helper()
		if err != nil || v.Version != version || v.Stage != to {
			t.Errorf("moved %s to %s, %v; want %s in %s", v.Version, v.Stage, err, version, to)
		}
	}
}

// A repeated move by a stage changes nothing and moves no other version,
// whatever the clock says.
func TestRepeatedMoveByStageIsDone(t *testing.T) {
	t.Parallel()
	still := func() time.Time { return time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC) }
	for name, now := range map[string]func() time.Time{"clock that ticks": ticker(), "clock that stands still": still} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, &mr.Options{Now: now})
			ctx := t.Context()
			for _, v := range []string{"1.0.0", "1.0.1", "1.0.2"} {
				register(t, r, v, nil)
			}
			promote(t, r, "1.0.0", mr.Staging)
			promote(t, r, "1.0.1", mr.Staging)
			twice := func(version string, to mr.ModelStage, move func() (mr.ModelVersion, error)) {
				t.Helper()
				wantMoved(t, version, to)(move())
				check := unchanged(t, dir)
				wantMoved(t, version, to)(move())
				check()
			}
			toProduction := func() (mr.ModelVersion, error) {
				return r.Promote(ctx, fraud.In(mr.Staging), mr.Production, nil)
			}
			twice("1.0.1", mr.Production, toProduction)
			promote(t, r, "1.0.2", mr.Staging) // a new one to promote
			twice("1.0.2", mr.Production, toProduction)
			twice("1.0.1", mr.Production, func() (mr.ModelVersion, error) {
				return r.RollbackTo(ctx, fraud.In(mr.Archived), nil)
			})
			twice("1.0.1", mr.Archived, func() (mr.ModelVersion, error) {
				return r.Archive(ctx, fraud.In(mr.Production), nil)
			})
			twice("1.0.0", mr.Archived, func() (mr.ModelVersion, error) {
				return r.Archive(ctx, fraud.At("1.0.0"), nil)
			})
		})
	}
}

// A stage means the version that entered it last. If an earlier version was
// promoted by its number, a call by stage still promotes the later version,
// which waits in the stage.
func TestMoveByStageTakesTheOneThatWaits(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, &mr.Options{Now: ticker()})
	for _, v := range []string{"1.0.0", "1.0.1", "1.0.2"} {
		register(t, r, v, nil)
	}
	promote(t, r, "1.0.0", mr.Staging)
	promote(t, r, "1.0.1", mr.Staging)
	promote(t, r, "1.0.0", mr.Production) // was in staging, before 1.0.1
	promote(t, r, "1.0.2", mr.Production) // never was in staging
	wantMoved(t, "1.0.1", mr.Production)(r.Promote(t.Context(), fraud.In(mr.Staging), mr.Production, nil))

	other, _ := newStore(t, nil)
	inProduction(t, other, "1.0.0")
	_, err := other.Promote(t.Context(), fraud.In(mr.Staging), mr.Production, nil)
	wantError(t, err, "promote", fraud, "", mr.ErrNotFound) // 1.0.0 never was in staging
}

// If a reference names a version and a stage, the stage is compared, unless the
// version is already in the target stage.
func TestMoveByVersionAndStage(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	ref := mr.Ref{Name: fraud, Version: "1.0.0", Stage: mr.Staging}
	_, err := r.Promote(t.Context(), ref, mr.Production, nil)
	wantError(t, err, "promote", fraud, "1.0.0", mr.ErrConflict)
	promote(t, r, "1.0.0", mr.Staging)
	for range 2 {
		wantMoved(t, "1.0.0", mr.Production)(r.Promote(t.Context(), ref, mr.Production, nil))
	}
}

// An error of a move names the version that its reference meant.
func TestMoveByReferenceNamesItsVersion(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	promote(t, r, "1.0.0", mr.Staging)
	ctx, refuse := t.Context(), &mr.MoveOptions{Gates: mr.MinMetric("auc", 1)}
	for _, ref := range []mr.Ref{fraud.In(mr.Staging), fraud.Matching(mr.Latest), fraud.Matching("^1")} {
		_, err := r.Promote(ctx, ref, mr.Production, refuse)
		var refusal *mr.GateError
		if wantError(t, err, "promote", fraud, "1.0.0"); !errors.As(err, &refusal) {
			t.Errorf("got %v, want a refusal", err)
		}
		_, err = r.Promote(ctx, ref, mr.Production, &mr.MoveOptions{IfProduction: "9.9.9"})
		wantError(t, err, "promote", fraud, "1.0.0", mr.ErrConflict)
		_, err = r.RollbackTo(ctx, ref, nil)
		wantError(t, err, "rollback", fraud, "1.0.0", mr.ErrWrongDirection)
	}
	for _, ref := range []mr.Ref{fraud.Matching(mr.Latest), fraud.Matching("^1"), {Name: fraud}} {
		_, err := r.Archive(ctx, ref, nil)
		wantError(t, err, "archive", fraud, "", mr.ErrInvalid)
		_, err = r.Demote(ctx, ref, mr.Archived, nil)
		wantError(t, err, "demote", fraud, "", mr.ErrInvalid)
	}
}

// If a reference means another version when the lock is taken, the move starts
// again with that version.
func TestMoveFollowsItsReferenceAgain(t *testing.T) {
	t.Parallel()
	for name, ref := range map[string]mr.Ref{"stage": fraud.In(mr.Staging), "latest": fraud.Matching(mr.Latest)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newStore(t, nil)
			other := openStore(t, dir, nil)
			register(t, r, "1.0.0", nil)
			promote(t, r, "1.0.0", mr.Staging)
			var asked []string
			gate := mr.GateOf("slow", func(_ context.Context, v mr.ModelVersion) error {
				if asked = append(asked, v.Version); len(asked) == 1 {
					register(t, other, "1.0.1", nil)
					promote(t, other, "1.0.1", mr.Staging)
				}
				return nil
			})
			wantMoved(t, "1.0.1", mr.Production)(r.Promote(t.Context(), ref, mr.Production, &mr.MoveOptions{Gates: gate}))
			if len(asked) != 2 || asked[1] != "1.0.1" {
				t.Errorf("the gate was asked of %v", asked)
			}
			wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Staging, "1.0.1": mr.Production})
		})
	}
}

// The history says that a rollback was forced, if Force was needed.
func TestForcedRollbackIsRecorded(t *testing.T) {
	t.Parallel()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	register(t, r, "1.0.1", nil)
	forced := map[string]bool{}
	for _, version := range []string{"1.0.1", "1.0.0"} {
		if _, err := r.RollbackTo(t.Context(), fraud.At(version), &mr.MoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	for e, err := range r.History(t.Context(), fraud, &mr.HistoryOptions{Ops: []mr.Operation{mr.OpRollback}}) {
		if err != nil {
			t.Fatal(err)
		}
		forced[e.Version] = e.Forced
	}
	if diff := cmp.Diff(map[string]bool{"1.0.1": true, "1.0.0": false}, forced); diff != "" {
		t.Errorf("forced (-want +got):\n%s", diff)
	}
}
