package modelregistry

import (
	"time"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// validate checks the reference of the move as far as that is possible without
// reading the model.
func (mv move) validate() error {
	switch {
	case mv.previous:
		return nil
	case mv.to == Archived && mv.ref.Range != "":
		return invalid("reference: a range never matches an archived version, so it can't say which to archive; give a version or a stage")
	}
	return mv.ref.check()
}

// moves reports whether the reference may mean another version at another time:
// a stage, a range, or the previous production version.
func (mv move) moves() bool { return mv.previous || mv.ref.Version == "" }

// find returns the entry of the version to move, with the earlier changes of
// the batch applied. If the reference names a version and a stage, find ignores
// the stage; the caller checks it.
func (mv move) find(t *txn) (*index.Entry, error) {
	switch {
	case t.Empty():
		return nil, notFound("model %s", mv.ref.Name)
	case mv.previous:
		version, ok := t.PreviousProduction()
		if !ok {
			return nil, notFound("an earlier production version")
		}
		return t.Get(version), nil
	case mv.ref.Range == "" && mv.ref.Version == "":
		return mv.findInStage(t)
	}
	ref := mv.ref
	if ref.Version != "" {
		ref.Stage = ""
	}
	return t.find(ref)
}

// findInStage returns the version that entered the stage of the reference last.
// That may be a version that an earlier call has already moved from this stage
// to the target. A repeated call must find it again, and not move the next
// version.
func (mv move) findInStage(t *txn) (*index.Entry, error) {
	inStage, inTarget := t.Holder(string(mv.ref.Stage)), t.Holder(string(mv.to))
	if mv.ref.Stage != mv.to && inTarget != nil && enteredLater(mv.ref.Name, inTarget, inStage, mv.ref.Stage) {
		return inTarget, nil
	}
	if inStage == nil {
		return nil, notFound("a version in %s", mv.ref.Stage)
	}
	return inStage, nil
}

// enteredLater reports whether moved, which has left a stage, entered it after
// inStage, which is still there, or whether inStage is nil. The order of the
// events decides if it can. Otherwise the times in the entries decide, because
// an entry has no event for a stage that its version has left.
func enteredLater(name ModelName, moved, inStage *index.Entry, stage ModelStage) bool {
	at := stageTime(decodeVersion(name, moved), stage)
	switch {
	case at.IsZero():
		return false // it never was in the stage
	case inStage == nil:
		return true
	case inStage.Entered > moved.Entered:
		return false
	case inStage.Entered == moved.Entered && inStage.EnteredAt().Equal(moved.EnteredAt()):
		return stage == Archived // one promotion moved both: moved to production, inStage to archived
	}
	return !at.Before(inStage.EnteredAt())
}

// stageTime returns the time at which a version last entered a stage, or the
// zero time if it never did.
func stageTime(v *ModelVersion, stage ModelStage) time.Time {
	switch stage {
	case Staging:
		return v.PromotedToStaging
	case Production:
		return v.PromotedToProduction
	case Archived:
		return v.ArchivedAt
	default:
		return v.RegisteredAt
	}
}

// find returns the entry that a reference means, with the earlier changes of
// the batch applied.
func (t *txn) find(ref Ref) (*index.Entry, error) {
	switch {
	case t.Empty():
		return nil, notFound("model %s", ref.Name)
	case ref.Range != "":
		return t.highest(ref)
	case ref.Version == "":
		if e := t.Holder(string(ref.Stage)); e != nil {
			return e, nil
		}
		return nil, notFound("a version in %s", ref.Stage)
	}
	e := t.Get(ref.Version)
	if e == nil {
		return nil, notFound("version %s", ref.Version)
	}
	if stage := ModelStage(t.Stage(e)); ref.Stage != "" && stage != ref.Stage {
		return nil, conflictStage(stage, ref.Stage)
	}
	return e, nil
}

// highest returns the highest version that matches a range, with the earlier
// changes of the batch applied. See Ref.highest.
func (t *txn) highest(ref Ref) (*index.Entry, error) {
	if len(t.Events) == 0 {
		return ref.highest(state{t.State, t.derived})
	}
	in, err := ref.versionRange()
	if err != nil {
		return nil, err
	}
	return ref.matched(in.Highest(t.Entries(), func(e *index.Entry) bool { return t.Stage(e) == index.Archived }))
}
