package modelregistry

import (
	"context"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// GatesOptions go with SetGates and SetModelGates. The zero value and nil are
// valid.
type GatesOptions struct {
	Actor  string // the person or program that sets them; by default Options.Actor
	Reason string // the reason, for the history
}

// SetGates replaces the gates that are stored with the version that ref means.
// The zero PromotionGate stores none. The history keeps the gates that were
// there before, and records the actor and the reason. If the same gates are
// stored already, SetGates changes nothing.
//
// The error matches ErrInvalid if a gate is a function, and ErrConflict if
// another program stored gates in the version's entry, which is not ours to
// change.
func (r *ModelRegistry) SetGates(ctx context.Context, ref Ref, gates PromotionGate, opts *GatesOptions) (v ModelVersion, err error) {
	subject := ref
	defer func() { err = opError("set gates", subject, err) }()
	if err := ref.check(); err != nil {
		return v, err
	}
	m, o, raw, err := r.beginGates(ref.Name, gates, opts)
	if err != nil {
		return v, err
	}
	stored := raw
	if gates.Len() == 0 {
		stored = nil
	}
	return m.change(ctx, func(t *txn) (string, error) {
		e, err := t.find(ref)
		if err != nil {
			return "", err
		}
		subject = ref.Name.At(e.Version)
		x, err := index.ReadExtra(e.Extra)
		if err != nil {
			return e.Version, err
		}
		if len(storedGates(index.GatesKey, index.ReadFields(e.Version, e.Raw).Gates).rules) > 0 {
			return e.Version, fmt.Errorf("%w: another program stored gates in the version's entry", ErrConflict)
		}
		if storedGates("gates", x.Gates).same(storedGates("gates", raw)) {
			return e.Version, nil
		}
		return e.Version, t.Txn.SetGates(e, stored, o.Actor, o.Reason)
	}, nil)
}

// SetModelGates replaces the gates that are stored for all versions of a model.
// Ubunye 0.7 and later store them, too, and apply them. It is otherwise like
// SetGates.
func (r *ModelRegistry) SetModelGates(ctx context.Context, name ModelName, gates PromotionGate, opts *GatesOptions) (err error) {
	defer func() { err = opError("set gates", name.all(), err) }()
	m, o, raw, err := r.beginGates(name, gates, opts)
	if err != nil {
		return err
	}
	_, err = m.change(ctx, func(t *txn) (string, error) {
		if t.Empty() {
			return "", notFound("model %s", name)
		}
		if storedGates(index.GatesKey, t.Facts().Get(index.GatesKey)).same(storedGates(index.GatesKey, raw)) {
			return "", nil
		}
		return "", t.Txn.SetModelGates(raw, o.Actor, o.Reason)
	}, nil)
	return err
}

// beginGates checks the arguments of a change of gates, and encodes the gates.
func (r *ModelRegistry) beginGates(name ModelName, gates PromotionGate, opts *GatesOptions) (m *model, o GatesOptions, raw []byte, err error) {
	if opts != nil {
		o = *opts
	}
	o.Actor = firstOf(o.Actor, r.opts.Actor)
	if raw, err = Gates(gates).MarshalJSON(); err != nil {
		return nil, o, nil, fmt.Errorf("%w gates to keep: %w", ErrInvalid, err)
	}
	m, err = r.model(name)
	return m, o, raw, err
}
