package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
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

// rank orders the stages for Promote and Demote: from archived one may come back
// up, so it is below development.
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

	// Force lets Rollback restore a version that never was in production.
	Force bool

	// Progress is told how far Promote and Rollback are with the artifact's digests, some ten times a second and at the
	// end, by one goroutine at a time. If the version changes meanwhile, they begin anew.
	Progress func(Progress)
}

// NoVersion says in MoveOptions.IfProduction that nothing may be in production.
const NoVersion = "none"

// Promote moves a version up to a stage. Its artifact must be there and match
// its digests, and every gate must pass, those stored with the version and those passed in; else
// the version stays where it was, and a *GateError tells what each gate found.
// A promotion to production archives the version that was there, in the same
// step. If the version is there already, Promote succeeds and writes nothing.
// It then returns when that is durable.
func (r *ModelRegistry) Promote(ctx context.Context, name ModelName, version string, to ModelStage, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.promote(ctx, name, version, to, opts)
	return v, err
}

// Demote moves a version down to a stage, or to archived. No gate applies. A
// version that leaves production leaves it empty.
func (r *ModelRegistry) Demote(ctx context.Context, name ModelName, version string, to ModelStage, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: opDemote, version: version, to: to}, name, opts)
	return v, err
}

// Archive takes a version out of use, from any stage. Its artifact stays.
func (r *ModelRegistry) Archive(ctx context.Context, name ModelName, version string, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: opArchive, version: version, to: Archived}, name, opts)
	return v, err
}

// Rollback puts a version back into production that was there before, and
// archives the present one in the same step. No gate applies; the artifact must
// be there and match its digests.
//
// Without a version it restores the one that was in production before the
// present one, as the history has it; if none is in production now, the one that was last.
// A version that was rolled back from is not restored this way again: two
// rollbacks in a row go back two versions, and one after a promotion that followed a
// rollback goes back to what that rollback restored. That a version was archived since is no
// hindrance, for every predecessor is; one whose entry is gone is passed over. A turn of another program's counts as one
// promotion, whatever it did: what it took out of production is what comes back. The memory reaches back a hundred
// productions. If others move so fast that the version to restore is another one each
// time this one has been checked, it fails with ErrConflict after ten attempts.
func (r *ModelRegistry) Rollback(ctx context.Context, name ModelName, version string, opts *MoveOptions) (ModelVersion, error) {
	v, _, err := r.move(ctx, move{op: opRollback, version: version, to: Production, guarded: true}, name, opts)
	return v, err
}

// promote is Promote, with what the gates found.
func (r *ModelRegistry) promote(ctx context.Context, name ModelName, version string, to ModelStage, opts *MoveOptions) (ModelVersion, []GateResult, error) {
	return r.move(ctx, move{op: opPromote, version: version, to: to, guarded: true}, name, opts)
}

// A move is one request to change a version's stage.
type move struct {
	op      string
	version string
	to      ModelStage
	guarded bool // the artifact is checked first
}

// errChanged says that what was checked before the lock is no longer so.
var errChanged = fmt.Errorf("%w: the version changed while it was checked", ErrConflict)

// maxRechecks bounds how often a move starts over because the version changed
// between its checks and its turn.
const maxRechecks = 10

func (r *ModelRegistry) move(ctx context.Context, mv move, name ModelName, opts *MoveOptions) (v ModelVersion, results []GateResult, err error) {
	version := mv.version
	defer func() { err = opError(mv.op, name, version, err) }()
	var o MoveOptions
	if opts != nil {
		o = *opts
	}
	if o.Actor == "" {
		o.Actor = r.opts.Actor
	}
	if !mv.to.known() {
		_, err := ParseStage(string(mv.to))
		return v, nil, err
	}
	m, err := r.model(name)
	if err != nil {
		return v, nil, err
	}
	for range maxRechecks {
		v, results, err = r.tryMove(ctx, m, mv, o)
		if mv.version == "" { // each attempt chooses anew
			version = v.Version
		}
		if !errors.Is(err, errChanged) {
			break
		}
	}
	return v, results, err
}

func (r *ModelRegistry) tryMove(ctx context.Context, m *model, mv move, o MoveOptions) (v ModelVersion, results []GateResult, err error) {
	v, done, err := mv.plan(ctx, m, o)
	if err != nil {
		return v, nil, err
	}
	asked := mv
	mv.version = v.Version
	var found error
	if !done { // else the change has only to see that it is so and durable
		results, found = r.prove(ctx, mv, o, v)
	}
	if refusal, ok := found.(*GateError); ok {
		r.refuse(ctx, m, mv, o, refusal)
	}
	if found != nil {
		return v, results, found
	}
	v, err = m.change(ctx, func(t *txn) (string, error) {
		e, nothing, err := asked.check(t, o)
		if err != nil || nothing {
			return mv.version, err
		}
		if e.version != mv.version {
			return mv.version, errChanged // another one was in production before the present one
		}
		if done || !mv.same(t.view(e), v, o) {
			return mv.version, errChanged
		}
		return mv.version, t.move(mv, e, o, results)
	}, nil)
	return v, results, err
}

// plan reads the present state once and returns the version to move, or why it
// can't be moved. The same is decided again under the lock.
func (mv move) plan(ctx context.Context, m *model, o MoveOptions) (v ModelVersion, done bool, err error) {
	err = m.lookForChange(ctx, func(s *state) error {
		if s.empty() {
			return notFound("model %s", s.name)
		}
		e, is, err := mv.check(newTxn(s, time.Time{}), o)
		if err == nil {
			v, done = s.view(e), is
		}
		return err
	})
	return v, done, err
}

// prove checks what has to hold before a move: the artifact's digests, then the gates. If one of these fails it returns a *GateError.
func (r *ModelRegistry) prove(ctx context.Context, mv move, o MoveOptions, v ModelVersion) ([]GateResult, error) {
	if mv.guarded {
		if err := r.verifyTelling(ctx, v, o.Progress); err != nil {
			return nil, err
		}
	}
	if mv.op != opPromote || o.SkipGates {
		return nil, nil
	}
	results := Gates(v.ModelGates, v.Gates, o.Gates).Evaluate(ctx, v)
	if err := ctx.Err(); err != nil {
		return nil, err // a gate that was cut short has not refused
	}
	if refusal := (&GateError{Target: mv.to, Results: results}); len(refusal.Failed()) > 0 {
		return results, refusal
	}
	return results, nil
}

// refuse records that gates refused a promotion.
func (r *ModelRegistry) refuse(ctx context.Context, m *model, mv move, o MoveOptions, refusal *GateError) {
	about := []slog.Attr{slog.String("model", m.name.String()), slog.String("version", mv.version)}
	for _, f := range refusal.Failed() {
		r.log.LogAttrs(ctx, slog.LevelWarn, "promotion gate failed", append(slices.Clip(about), slog.String("to", string(mv.to)),
			slog.String("gate", f.Name), slog.Any("actual", loggable(f.Actual)), slog.Any("threshold", loggable(f.Threshold)),
			slog.String("message", f.Message))...)
	}
	_, err := m.change(ctx, func(t *txn) (string, error) {
		e := t.get(mv.version)
		if e == nil {
			return mv.version, notFound("version %s", mv.version)
		}
		return mv.version, t.emit(&event{op: mv.op, version: mv.version, from: t.stage(e), to: mv.to, actor: o.Actor,
			reason: o.Reason, refused: true, results: refusal.Results})
	}, nil)
	if err != nil {
		r.log.LogAttrs(ctx, slog.LevelWarn, "refusal not recorded", append(about, slog.Any("error", err))...)
	}
}

// loggable gives a handler that writes JSON something it can write.
func loggable(v any) any {
	n, ok := v.(json.Number)
	if !ok {
		return v
	}
	if f, err := n.Float64(); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return string(n)
	}
	return n
}

// same reports whether all that was looked at before a move is the same; where a gate is a function, whatever it may look at.
func (mv move) same(a, b ModelVersion, o MoveOptions) bool {
	if !mv.guarded {
		return true
	}
	asksAll := mv.op == opPromote && !o.SkipGates && o.Gates.custom()
	return sameForGates(a, b) && (!asksAll || sameOtherwise(a, b))
}

// sameForGates reports whether all that a stored gate or a digest check looks at is
// the same.
func sameForGates(a, b ModelVersion) bool {
	same := func(x, y Values) bool { return pyjson.Equal(x.raw, y.raw) }
	return same(a.Metrics, b.Metrics) && same(a.Metadata, b.Metadata) && a.ManifestSHA256 == b.ManifestSHA256 &&
		a.Gates.same(b.Gates) && a.ModelGates.same(b.ModelGates)
}

// sameOtherwise reports whether all else is.
func sameOtherwise(a, b ModelVersion) bool {
	return a.Stage == b.Stage && a.RegisteredAt.Equal(b.RegisteredAt) && a.PromotedToStaging.Equal(b.PromotedToStaging) &&
		a.PromotedToProduction.Equal(b.PromotedToProduction) && a.ArchivedAt.Equal(b.ArchivedAt) &&
		a.LineageRunID == b.LineageRunID && a.ConfigHash == b.ConfigHash && a.SourceRevision == b.SourceRevision &&
		a.RegisteredBy == b.RegisteredBy && a.PromotedBy == b.PromotedBy && slices.Equal(a.Problems, b.Problems)
}

// check decides whether the move may happen as things stand, and whether it has
// happened already.
func (mv move) check(t *txn, o MoveOptions) (e *entry, done bool, err error) {
	if mv.version == "" {
		if mv.op != opRollback {
			return nil, false, invalid("version: it is empty")
		}
		if mv.version, err = t.previousProduction(); err != nil {
			return nil, false, err
		}
	}
	if e = t.get(mv.version); e == nil {
		return nil, false, notFound("version %s", mv.version)
	}
	from := t.stage(e)
	if from == mv.to {
		return e, true, nil
	}
	if err := t.base.facts.writable(); err != nil {
		return e, false, err
	}
	if err := mv.direction(from, e, o); err != nil {
		return e, false, err
	}
	if o.IfProduction != "" {
		now := NoVersion
		if p := t.production(); p != nil {
			now = p.version
		}
		if now != o.IfProduction {
			return e, false, fmt.Errorf("%w: production is %s, not %s", ErrConflict, now, o.IfProduction)
		}
	}
	return e, false, nil
}

func (mv move) direction(from ModelStage, e *entry, o MoveOptions) error {
	fromRank, known := rank[from]
	switch {
	case mv.op == opRollback:
		if e.decode().PromotedToProduction.IsZero() && !o.Force {
			return fmt.Errorf("%w: it never was in production", ErrWrongDirection)
		}
	case mv.op == opArchive:
	case !known: // of another program's: any named stage is a way out
	case mv.op == opPromote && rank[mv.to] < fromRank:
		return fmt.Errorf("%w: %s is below %s; use Demote or Archive", ErrWrongDirection, mv.to, from)
	case mv.op == opDemote && rank[mv.to] > fromRank:
		return fmt.Errorf("%w: %s is above %s; use Promote", ErrWrongDirection, mv.to, from)
	}
	return nil
}
