package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A ModelStage is where a version stands in its life:
// development → staging → production, and archived.
type ModelStage string

// The stages.
const (
	Development ModelStage = "development" // where every registration starts
	Staging     ModelStage = "staging"     // being tried out; any number of versions
	Production  ModelStage = "production"  // what is served; never more than one version
	Archived    ModelStage = "archived"    // taken out of use, kept
)

// rank orders the stages for Promote and Demote: from archived one may come
// back up, so it is below development.
var rank = map[ModelStage]int{Archived: 0, Development: 1, Staging: 2, Production: 3}

func (s ModelStage) known() bool { _, ok := rank[s]; return ok }

// ParseStage reads a stage by its exact name.
func ParseStage(s string) (ModelStage, error) {
	if stage := ModelStage(s); stage.known() {
		return stage, nil
	}
	return "", invalid("stage %q: want development, staging, production or archived", s)
}

// MarshalText writes a stage's name, whatever it is.
func (s ModelStage) MarshalText() ([]byte, error) { return []byte(s), nil }

// UnmarshalText reads a stage by its exact name.
func (s *ModelStage) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStage(string(text))
	return err
}

// MoveOptions goes with every move. The zero value and nil serve.
//
// # References
//
// A reference that moves (a stage, a range, latest) is followed when the call
// begins and again under the lock. If it means another version by then, the
// call starts over. The result and every error name the version. A reference by
// version and stage fails with ErrConflict if the version is in neither that
// stage nor the one to move to.
//
// A call that succeeded can be repeated, by a retry or by a nightly job. A
// stage means the version that entered it last, also if this move has taken
// that version on already: once Promote(name@staging, production) has promoted
// 1.2.0, it succeeds again and names 1.2.0. It does not go on to an older
// version that is left in staging; name that by its number. Where two versions
// were in staging at once, only the times of their entries can tell which one
// entered it last. So with a wrong clock, name the version by its number. A
// version that enters staging later is a new one to promote. A range never
// means an archived version, so it would mean the next one when it is asked
// again to archive: that is ErrInvalid.
type MoveOptions struct {
	Actor  string // who moves it; empty takes the registry's Actor
	Reason string // why

	// Gates apply to a promotion besides those stored with the version.
	Gates PromotionGate
	// SkipGates promotes without looking at any gate; the history records it.
	SkipGates bool

	// IfProduction makes the move conditional: it fails with ErrConflict unless
	// this version is in production, or with NoVersion, none is. A move that
	// is already done succeeds whatever stands here, so that a retry is safe.
	IfProduction string

	// Force lets RollbackTo restore a version that never was in production. The
	// history records it.
	Force bool

	// Progress is told how far the check of the artifact's digests is, about
	// ten times a second and at the end, by one goroutine at a time. If the
	// version changes meanwhile, the check starts over.
	Progress func(Progress)
}

// NoVersion says in MoveOptions.IfProduction that nothing may be in production.
const NoVersion = "none"

// Promote moves a version up to a stage. Its artifact must be there and match
// its digests, and every gate must pass: those stored with the version, those
// stored for the model, and those of the options. Else the version stays where
// it was, and a *GateError has the result of each gate. A promotion to
// production archives the version that was there, in the same step.
//
// If the version is in that stage already, Promote succeeds and writes nothing.
// It then returns when that is durable. So a call can be repeated; see
// [MoveOptions] for what a reference that moves means then.
func (r *ModelRegistry) Promote(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.promote(ctx, ref, to, opts)
	return v, err
}

// Demote moves a version down to a stage, or to archived. No gate applies. A
// version that leaves production leaves it empty.
func (r *ModelRegistry) Demote(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpDemote, ref: ref, to: to}, opts)
	return v, err
}

// Archive takes a version out of use, from any stage. Its artifact stays.
func (r *ModelRegistry) Archive(ctx context.Context, ref Ref, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpArchive, ref: ref, to: Archived}, opts)
	return v, err
}

// Rollback restores the version that was in production before the present one,
// as the history has it, and archives the present one in the same step. If no
// version is in production, it restores the last one that was. No gate applies;
// the artifact must be there and match its digests.
//
// A version that was rolled back from is not restored again: two rollbacks in a
// row go back two versions, and one after a promotion that followed a rollback
// goes back to what that rollback restored. A version that was archived since
// is restored, because every predecessor is archived. One whose entry is gone
// is passed over. An external change counts as one promotion: what it took out
// of production is what comes back. The memory reaches back a hundred
// productions.
//
// If other changes are so frequent that the version to restore is another one
// each time that it has been checked, Rollback fails with ErrConflict after ten
// attempts. A Rollback that is repeated goes back one version more: to be safe,
// name the version with RollbackTo, or the present one in IfProduction.
func (r *ModelRegistry) Rollback(ctx context.Context, name ModelName, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpRollback, ref: name.all(), previous: true, to: Production, guarded: true}, opts)
	return v, err
}

// RollbackTo is Rollback to a version of the caller's choice, which must have
// been in production before. Else it fails with ErrWrongDirection, unless Force
// is set.
func (r *ModelRegistry) RollbackTo(ctx context.Context, ref Ref, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: index.OpRollback, ref: ref, to: Production, guarded: true}, opts)
	return v, err
}
