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

	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// promote is Promote, with what the gates found.
func (r *ModelRegistry) promote(ctx context.Context, ref Ref, to ModelStage, opts *MoveOptions) (ModelVersion, []GateResult, error) {
	return r.move(ctx, promotion(ref, to), opts)
}

func promotion(ref Ref, to ModelStage) move {
	return move{op: index.OpPromote, ref: ref, to: to, guarded: true}
}

// A move is one request to change a version's stage.
type move struct {
	op       string
	ref      Ref  // the version; with previous, the model
	previous bool // of the version that was in production before the present one
	to       ModelStage
	guarded  bool // the artifact is checked first
}

// errChanged says that what was checked before the lock is no longer so.
var errChanged = fmt.Errorf("%w: the version changed while it was checked", ErrConflict)

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

// begin checks what can be checked of a move without a look at the model.
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

// tryMove makes one attempt. It returns the reference that names the version
// exactly, as soon as it knows which one that is.
func (r *ModelRegistry) tryMove(ctx context.Context, m *model, mv move, o MoveOptions) (subject Ref, v ModelVersion, results []GateResult, err error) {
	p, err := mv.plan(ctx, m, o)
	if err != nil {
		return p.subject, v, nil, err
	}
	if !p.done { // else the change has only to see that it is so and durable
		results, err = r.prove(ctx, mv, o, p.version)
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
			return p.version.Version, errChanged // it means another version by now, or none
		case err != nil || done:
			return p.version.Version, err
		case p.done || !mv.same(t.view(e), p.version, o):
			return p.version.Version, errChanged
		}
		return p.version.Version, t.moveVersion(mv, e, o, results)
	}, nil)
	return p.subject, v, results, err
}

// A movePlan is what a move comes to as things stand.
type movePlan struct {
	subject  Ref          // the version exactly, once that is known
	version  ModelVersion // to move
	done     bool         // it is there already
	archives string       // the version that leaves production for it
}

// plan reads the present state once, and decides what to move or why it can't
// be moved. The same is decided again under the lock.
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
		if now := t.Production(); !done && mv.to == Production && now != nil {
			p.archives = now.Version
		}
		return nil
	})
	return p, err
}

// prove checks what has to hold before a move: the artifact's digests, then the
// gates. If one of these fails it returns a *GateError.
func (r *ModelRegistry) prove(ctx context.Context, mv move, o MoveOptions, v ModelVersion) ([]GateResult, error) {
	if mv.guarded {
		if err := r.verifyTelling(ctx, v, o.Progress); err != nil {
			return nil, err
		}
	}
	if mv.op != index.OpPromote || o.SkipGates {
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
			return version, notFound("version %s", version)
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

// same reports whether all that was looked at before a move is the same; where
// a gate is a function, whatever it may look at.
func (mv move) same(a, b ModelVersion, o MoveOptions) bool {
	if !mv.guarded {
		return true
	}
	asksAll := mv.op == index.OpPromote && !o.SkipGates && o.Gates.custom()
	return sameForGates(a, b) && (!asksAll || sameOtherwise(a, b))
}

// sameForGates reports whether all that a stored gate or a digest check looks
// at is the same.
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
func (mv move) check(t *txn, o MoveOptions) (e *index.Entry, done bool, err error) {
	if e, err = mv.find(t); err != nil {
		return nil, false, err
	}
	from := ModelStage(t.Stage(e))
	switch {
	case from == mv.to: // before the stage of the reference is compared, so that a call can be repeated
		return e, true, nil
	case mv.ref.Version != "" && mv.ref.Stage != "" && from != mv.ref.Stage:
		return e, false, conflictStage(from, mv.ref.Stage)
	}
	if err := engine.Writable(t.Base.Facts); err != nil {
		return e, false, err
	}
	if err := mv.direction(from, e, o); err != nil {
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

// forbids reports whether only Force makes the move possible.
func (mv move) forbids(e *index.Entry) bool {
	return mv.op == index.OpRollback && decodeVersion(mv.ref.Name, e).PromotedToProduction.IsZero()
}

func (mv move) direction(from ModelStage, e *index.Entry, o MoveOptions) error {
	fromRank, known := rank[from]
	switch {
	case mv.op == index.OpRollback:
		if mv.forbids(e) && !o.Force {
			return fmt.Errorf("%w: it never was in production", ErrWrongDirection)
		}
	case mv.op == index.OpArchive:
	case !known: // of another program's: any named stage is a way out
	case mv.op == index.OpPromote && rank[mv.to] < fromRank:
		return fmt.Errorf("%w: %s is below %s; use Demote or Archive", ErrWrongDirection, mv.to, from)
	case mv.op == index.OpDemote && rank[mv.to] > fromRank:
		return fmt.Errorf("%w: %s is above %s; use Promote", ErrWrongDirection, mv.to, from)
	}
	return nil
}
