package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A ModelStage is a stage in the life of a version: development → staging →
// production, and archived.
type ModelStage string

// The stages.
const (
	Development ModelStage = "development" // the first stage of every version
	Staging     ModelStage = "staging"     // being tested; any number of versions
	Production  ModelStage = "production"  // in use; at most one version
	Archived    ModelStage = "archived"    // no longer in use, but kept
)

// rank orders the stages for Promote and Demote. An archived version can be
// promoted again, so archived is below development.
var rank = map[ModelStage]int{Archived: 0, Development: 1, Staging: 2, Production: 3}

func (s ModelStage) known() bool { _, ok := rank[s]; return ok }

// ParseStage returns the stage of a name, which must match exactly. Otherwise
// the error matches ErrInvalid.
func ParseStage(s string) (ModelStage, error) {
	if stage := ModelStage(s); stage.known() {
		return stage, nil
	}
	return "", invalid("stage %q: want development, staging, production or archived", s)
}

// MarshalText returns the stage's name. It does not check the name.
func (s ModelStage) MarshalText() ([]byte, error) { return []byte(s), nil }

// UnmarshalText reads a stage as ParseStage does.
func (s *ModelStage) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStage(string(text))
	return err
}

// MoveOptions go with every call that moves a version. The zero value and nil
// are valid.
//
// # References
//
// A stage, an alias, a range or latest can mean another version from one moment
// to the next. A call resolves such a reference when it begins and again under
// the lock. If it means another version by then, the call starts again. The
// result and every error name the version. For a reference with a version and a
// stage, the call fails with ErrConflict if the version is in neither that
// stage nor the target stage.
//
// A call that succeeded can be repeated, by a retry or by a nightly job. A
// stage means the version that entered it last, even if an earlier call has
// moved that version on. After Promote(name@staging, production) has promoted
// 1.2.0, the same call succeeds again and returns 1.2.0. It does not promote an
// older version that is still in staging; name that one by its number. A
// version that enters staging later is promoted by the next call.
//
// If two versions were in staging at the same time, the times in their entries
// decide which one entered it last. So name a version by its number if the
// clock may be wrong. A move to archived does not accept a range, and fails
// with ErrInvalid: a range never matches an archived version, so a repeated
// call would archive another one.
type MoveOptions struct {
	Actor  string // the person or program that moves the version; by default Options.Actor
	Reason string // the reason, for the history

	// Gates apply to a promotion in addition to the stored gates.
	Gates PromotionGate
	// SkipGates promotes a version without evaluating any gate. The history
	// records that.
	SkipGates bool

	// IfProduction makes the move conditional. The move fails with ErrConflict
	// unless this version is in production; NoVersion requires that none is. A
	// move that is already done succeeds in any case, so that a retry is safe.
	IfProduction string

	// Force lets RollbackTo restore a version that never was in production, and
	// lets Archive and Demote archive a version that an alias names. The
	// history records that.
	Force bool

	// Progress is called about ten times a second while the artifact's digests
	// are checked, and once at the end. Calls do not overlap. If the version
	// changes meanwhile, the check starts again.
	Progress func(Progress)
}

// NoVersion is a value of MoveOptions.IfProduction: no version may be in
// production.
const NoVersion = "none"

// Promote moves a version up to a stage. It fails with ErrWrongDirection for a
// lower stage, and with ErrArtifact if the artifact does not match its digests.
// Every gate must pass: those stored with the version, those stored for the
// model, and those of the options. If a gate fails, the version stays in its
// stage, and the error is a *GateError with the result of each gate. A
// promotion to production archives the version that was in production, in the
// same step.
//
// If the version is already in that stage, Promote changes nothing and
// succeeds, so a call can be repeated. [MoveOptions] says what a stage or a
// range means then. When Promote has returned without an error, the version's
// stage survives a power cut.
func (r *ModelRegistry) Promote(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.promote(ctx, ref, to, opts)
	return v, err
}

// Demote moves a version down to a stage, or to archived as Archive does. It
// fails with ErrWrongDirection for a higher stage. No gate applies. After a
// version has left production, none is in production.
func (r *ModelRegistry) Demote(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpDemote, ref: ref, to: to}, opts)
	return v, err
}

// Archive moves a version from any stage to archived. Its artifact stays. The
// error matches ErrProtected if an alias names the version, unless Force is
// set.
func (r *ModelRegistry) Archive(ctx context.Context, ref Ref, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpArchive, ref: ref, to: Archived}, opts)
	return v, err
}

// Rollback moves the version that was in production before the present one back
// to production, and archives the present one in the same step. If no version
// is in production, it restores the last one that was. No gate applies. The
// artifact must match its digests.
//
// The registry keeps a list of the last hundred versions that were in
// production. A promotion adds to the list, and a rollback removes the versions
// after the one that it restored. So two rollbacks in a row go back two
// versions. A rollback after "rollback, promote" goes back to the version that
// the first rollback restored. A version whose entry was removed is skipped,
// and so is another version to which another program gave its number. An
// external change counts as one promotion.
//
// A repeated Rollback goes back one more version. For a safe retry, use
// RollbackTo with the version to restore, or set IfProduction to the present
// one. If the version to restore changes during its check ten times in a row,
// Rollback fails with ErrConflict.
func (r *ModelRegistry) Rollback(ctx context.Context, name ModelName, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpRollback, ref: name.all(), previous: true, to: Production, guarded: true}, opts)
	return v, err
}

// RollbackTo moves the version that ref means to production, as Rollback does.
// The version must have been in production before. Otherwise RollbackTo fails
// with ErrWrongDirection, unless Force is set.
func (r *ModelRegistry) RollbackTo(ctx context.Context, ref Ref, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpRollback, ref: ref, to: Production, guarded: true}, opts)
	return v, err
}
