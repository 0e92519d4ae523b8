package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// promote is Promote, and also returns the results of the gates.
func (r *ModelRegistry) promote(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (ModelVersion, []GateResult, error) {
	return r.move(ctx, promotion(ref, to), opts)
}

func promotion(ref Ref, to ModelStage) move {
	return move{op: index.OpPromote, ref: ref, to: to, guarded: true}
}

// A move is one request to change a version's stage.
type move struct {
	op       string
	ref      Ref  // the version to move; only the model if previous is set
	previous bool // move the version that was in production before the present one
	to       ModelStage
	guarded  bool // check the artifact before the move
}

// errChanged says that the version, or one that its gates compare with, changed
// after it was checked and before the lock was taken.
var errChanged = fmt.Errorf("%w: the version, or one that gates compare with, changed while it was checked", ErrConflict)

// maxRechecks bounds how often a move starts over because the version changed
// between its checks and its turn.
const maxRechecks = 10

func (r *ModelRegistry) move(ctx context.Context, mv move, opts *MoveOptions) (v ModelVersion, results []GateResult, err error) {
	subject := mv.ref
	defer func() { err = opError(mv.op, subject, err) }()
	m, o, err := r.begin(mv, opts)
	if err != nil {
		return v, nil, err
	}
	for range maxRechecks {
		subject, v, results, err = r.tryMove(ctx, m, mv, o)
		if !errors.Is(err, errChanged) {
			break
		}
	}
	return v, results, err
}

// begin checks the arguments of a move and fills in the default options. It
// does not read the model.
func (r *ModelRegistry) begin(mv move, opts *MoveOptions) (*model, MoveOptions, error) {
	var o MoveOptions
	if opts != nil {
		o = *opts
	}
	if o.Actor == "" {
		o.Actor = r.opts.Actor
	}
	if !mv.to.known() {
		_, err := ParseStage(string(mv.to))
		return nil, o, err
	}
	if err := mv.validate(); err != nil {
		return nil, o, err
	}
	m, err := r.model(mv.ref.Name)
	return m, o, err
}

// tryMove makes one attempt at a move. subject is the exact version if the
// reference was resolved, and otherwise the reference itself.
func (r *ModelRegistry) tryMove(ctx context.Context, m *model, mv move, o MoveOptions) (subject Ref, v ModelVersion, results []GateResult, err error) {
	p, err := mv.plan(ctx, m, o)
	if err != nil {
		return p.subject, v, nil, err
	}
	if !p.done { // a move that is done needs no checks, but takes its turn, so that the result is durable
		results, err = r.checkArtifactAndGates(ctx, m, mv, o, p)
	}
	if refusal, ok := err.(*GateError); ok {
		r.refuse(ctx, m, mv, p.version.Version, o, refusal)
	}
	if err != nil {
		return p.subject, p.version, results, err
	}
	v, err = m.change(ctx, func(t *txn) (string, error) {
		e, done, err := mv.check(t, o)
		switch {
		case e == nil && mv.moves(), e != nil && e.Version != p.version.Version:
			return p.version.Version, errChanged // the reference means another version by now, or none
		case err != nil || done:
			return p.version.Version, err
		case p.done || !mv.same(t.view(e), p.version, o) || !p.baselines.same(t.baselines(mv.ref.Name, p.gates)):
			return p.version.Version, errChanged
		}
		return p.version.Version, t.moveVersion(mv, e, o, results)
	}, nil)
	return p.subject, v, results, err
}

// A movePlan is what a move would do in the present state.
type movePlan struct {
	subject  Ref          // the exact version if it is known, otherwise the reference
	version  ModelVersion // the version to move
	done     bool         // the version is in the target stage already
	archives string       // the version that would leave production, empty for none

	gates     gate.Set  // those that the version must pass
	baselines baselines // the versions that they compare with
}

// plan reads the present state once and decides which version to move, or why
// it can't be moved. tryMove decides again under the lock.
func (mv move) plan(ctx context.Context, m *model, o MoveOptions) (p movePlan, err error) {
	p.subject = mv.ref
	err = m.Read(ctx, true, func(s *engine.State) error { // an external change counts, as it does in the commit
		t := m.txn(engine.NewTxn(s, time.Time{}))
		e, done, err := mv.check(t, o)
		if e != nil {
			p.subject = mv.ref.Name.At(e.Version)
		}
		if err != nil {
			return err
		}
		p.version, p.done = viewEntry(s.State, e), done
		if !done && mv.op == index.OpPromote && !o.SkipGates {
			p.gates = Gates(p.version.ModelGates, p.version.Gates, o.Gates).set
			p.baselines = t.baselines(mv.ref.Name, p.gates)
		}
		if now := t.Production(); !done && mv.to == Production && now != nil {
			p.archives = now.Version
		}
		return nil
	})
	return p, err
}

// checkArtifactAndGates checks the digests of the artifact, then evaluates the
// gates, as far as the kind of move needs them. It returns a *GateError if a
// gate fails.
func (r *ModelRegistry) checkArtifactAndGates(ctx context.Context, m *model, mv move, o MoveOptions, p movePlan) ([]GateResult, error) {
	v := p.version
	if mv.guarded {
		if err := r.verifyTree(ctx, v, o.Progress); err != nil {
			return nil, err
		}
	}
	if mv.op != index.OpPromote || o.SkipGates {
		return nil, nil
	}
	results := publicResults(p.gates.Evaluate(ctx, gate.Candidate{Metrics: v.Metrics, Metadata: v.Metadata, Version: v,
		Baselines: r.complete(ctx, m, p.baselines)}))
	if err := ctx.Err(); err != nil {
		return nil, err // a gate that the context ended has not refused
	}
	if refusal := (&GateError{Target: mv.to, Results: results}); len(refusal.Failed()) > 0 {
		return results, refusal
	}
	return results, nil
}

// refuse records that gates refused a promotion.
func (r *ModelRegistry) refuse(ctx context.Context, m *model, mv move, version string, o MoveOptions, refusal *GateError) {
	about := []slog.Attr{slog.String("model", m.Name.String()), slog.String("version", version)}
	for _, f := range refusal.Failed() {
		r.log.LogAttrs(ctx, slog.LevelWarn, "promotion gate failed", append(slices.Clip(about), slog.String("to", string(mv.to)),
			slog.String("gate", f.Name), slog.Any("actual", loggable(f.Actual)), slog.Any("threshold", loggable(f.Threshold)),
			slog.String("message", f.Message))...)
	}
	_, err := m.change(ctx, func(t *txn) (string, error) {
		e := t.Get(version)
		if e == nil {
			return version, missing(t.Deletion, version)
		}
		gates, err := encodeResults(refusal.Results)
		if err != nil {
			return version, err
		}
		return version, t.Emit(&index.Event{Op: mv.op, Version: version, From: t.Stage(e), To: string(mv.to), Actor: o.Actor,
			Reason: o.Reason, Refused: true, Gates: gates})
	}, nil)
	if err != nil {
		r.log.LogAttrs(ctx, slog.LevelWarn, "refusal not recorded", append(about, slog.Any("error", err))...)
	}
}

// loggable returns a value that a log handler can write as JSON: a NaN or an
// infinity becomes a string.
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

// same reports whether two readings of a version are equal in everything that
// the checks before a move depend on. If a gate is a function, that is
// everything in the version.
func (mv move) same(a, b ModelVersion, o MoveOptions) bool {
	if !mv.guarded {
		return true
	}
	readsAll := mv.op == index.OpPromote && !o.SkipGates && o.Gates.set.Custom()
	return sameForGates(a, b) && (!readsAll || sameOtherwise(a, b))
}

// sameForGates reports whether two readings are equal in everything that stored
// gates and the check of the digests read.
func sameForGates(a, b ModelVersion) bool {
	same := func(x, y Values) bool { return pyjson.Equal(x.raw, y.raw) }
	return same(a.Metrics, b.Metrics) && same(a.Metadata, b.Metadata) && a.ManifestSHA256 == b.ManifestSHA256 &&
		a.Gates.set.Same(b.Gates.set) && a.ModelGates.set.Same(b.ModelGates.set)
}

// sameOtherwise reports whether two readings are equal in all other fields.
func sameOtherwise(a, b ModelVersion) bool {
	return a.Stage == b.Stage && a.RegisteredAt.Equal(b.RegisteredAt) && a.PromotedToStaging.Equal(b.PromotedToStaging) &&
		a.PromotedToProduction.Equal(b.PromotedToProduction) && a.ArchivedAt.Equal(b.ArchivedAt) &&
		a.LineageRunID == b.LineageRunID && a.ConfigHash == b.ConfigHash && a.SourceRevision == b.SourceRevision &&
		a.RegisteredBy == b.RegisteredBy && a.PromotedBy == b.PromotedBy && slices.Equal(a.Problems, b.Problems) &&
		slices.Equal(a.Aliases, b.Aliases) && maps.Equal(a.Tags, b.Tags) && a.Description == b.Description &&
		(a.Hold == b.Hold || a.Hold != nil && b.Hold != nil && *a.Hold == *b.Hold)
}

// check decides whether the move is allowed in the present state. done reports
// whether the version is in the target stage already.
func (mv move) check(t *txn, o MoveOptions) (e *index.Entry, done bool, err error) {
	if e, err = mv.find(t); err != nil {
		return nil, false, err
	}
	from := ModelStage(t.Stage(e))
	switch {
	case from == mv.to: // decided before the reference's stage is compared, so that a call can be repeated
		return e, true, nil
	case mv.ref.Version != "" && mv.ref.Stage != "" && from != mv.ref.Stage:
		return e, false, conflictStage(from, mv.ref.Stage)
	}
	if err := engine.Writable(t.Base.Facts); err != nil {
		return e, false, err
	}
	if err := mv.direction(from); err != nil {
		return e, false, err
	}
	if err := mv.protection(t, e); err != nil && !o.Force {
		return e, false, err
	}
	if o.IfProduction != "" {
		now := NoVersion
		if p := t.Production(); p != nil {
			now = p.Version
		}
		if now != o.IfProduction {
			return e, false, fmt.Errorf("%w: production is %s, not %s", ErrConflict, now, o.IfProduction)
		}
	}
	return e, false, nil
}

// protection returns why the move is allowed only with Force, or nil.
func (mv move) protection(t *txn, e *index.Entry) error {
	switch {
	case mv.op == index.OpRollback && decodeVersion(mv.ref.Name, e).PromotedToProduction.IsZero():
		return fmt.Errorf("%w: it never was in production", ErrWrongDirection)
	case mv.to == Archived:
		if why := t.Facts().NamedBy(e.Version); why != "" {
			return fmt.Errorf("%w: %s", ErrProtected, why)
		}
	}
	return nil
}

func (mv move) direction(from ModelStage) error {
	fromRank, known := rank[from]
	switch {
	case mv.op == index.OpRollback, mv.op == index.OpArchive:
	case !known: // a stage of another program: every move is allowed
	case mv.op == index.OpPromote && rank[mv.to] < fromRank:
		return fmt.Errorf("%w: %s is below %s; demote or archive it", ErrWrongDirection, mv.to, from)
	case mv.op == index.OpDemote && rank[mv.to] > fromRank:
		return fmt.Errorf("%w: %s is above %s; promote it", ErrWrongDirection, mv.to, from)
	}
	return nil
}
