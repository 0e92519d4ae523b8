package modelregistry

import (
	"time"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// validate checks what can be checked of the move's reference without a look at
// the model.
func (mv move) validate() error {
	switch {
	case mv.previous:
		return nil
	case mv.to == Archived && mv.ref.Range != "":
		return invalid("reference: a range never means an archived version, so it can't name the one to archive")
	}
	return mv.ref.check()
}

// moves reports whether the reference may mean another version later.
func (mv move) moves() bool { return mv.previous || mv.ref.Version == "" }

// find returns the version to move, as the changes so far leave it. If the
// reference names a version and a stage, find does not look at the stage.
func (mv move) find(t *txn) (*index.Entry, error) {
	switch {
	case t.Empty():
		return nil, notFound("model %s", mv.ref.Name)
	case mv.previous:
		version, ok := t.PreviousProduction()
		if !ok {
			return nil, notFound("a production version before the present one")
		}
		return t.Get(version), nil
	case mv.ref.Range != "":
		return t.highest(mv.ref)
	case mv.ref.Version == "":
		return mv.findInStage(t)
	}
	if e := t.Get(mv.ref.Version); e != nil {
		return e, nil
	}
	return nil, notFound("version %s", mv.ref.Version)
}

// findInStage returns the version that entered the stage of the reference last.
// That may be the one that this move has taken to its target already: a call
// that is repeated must not go on to the next version.
func (mv move) findInStage(t *txn) (*index.Entry, error) {
	e, there := t.Holder(string(mv.ref.Stage)), t.Holder(string(mv.to))
	if mv.ref.Stage != mv.to && there != nil && passed(mv.ref.Name, there, e, mv.ref.Stage) {
		return there, nil
	}
	if e == nil {
		return nil, notFound("a version in %s", mv.ref.Stage)
	}
	return e, nil
}

// passed reports whether a version, which is now in the target, entered a stage
// after the one that is there did, or when there is none. The order of the
// events decides as far as it tells. An entry has only a time of the stages
// that its version has left.
func passed(name ModelName, moved, there *index.Entry, stage ModelStage) bool {
	at := stageTime(decodeVersion(name, moved), stage)
	switch {
	case at.IsZero():
		return false // it never was there
	case there == nil:
		return true
	case there.Entered > moved.Entered:
		return false
	case there.Entered == moved.Entered && there.EnteredAt().Equal(moved.EnteredAt()):
		return stage == Archived // one change brought one to production and archived the other
	}
	return !at.Before(there.EnteredAt())
}

// stageTime returns when a version last entered a stage, zero for never.
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

// highest is Ref.highest with the changes so far.
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
