package modelregistry

import (
	"context"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/timeline"
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
// The error matches ErrInvalid if a gate is a function or compares with another
// model. It matches ErrConflict if another program stored gates in the
// version's entry: SetGates does not change those.
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
		if gate.Stored(index.GatesKey, index.ReadFields(e.Version, e.Raw).Gates).Len() > 0 {
			return e.Version, fmt.Errorf("%w: another program stored gates in the version's entry", ErrConflict)
		}
		if gate.Stored("gates", x.Gates).Same(gate.Stored("gates", raw)) {
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
	return m.changeExisting(ctx, func(t *txn) error {
		if gate.Stored(index.GatesKey, t.Facts().Get(index.GatesKey)).Same(gate.Stored(index.GatesKey, raw)) {
			return nil
		}
		return t.Txn.SetModelGates(raw, o.Actor, o.Reason)
	})
}

// beginGates checks the arguments of a change of gates, and encodes the gates.
func (r *ModelRegistry) beginGates(name ModelName, gates PromotionGate, opts *GatesOptions) (m *model, o GatesOptions, raw []byte, err error) {
	if opts != nil {
		o = *opts
	}
	o.Actor = firstOf(o.Actor, r.opts.Actor)
	if raw, err = encodeGates(name, gates); err != nil {
		return nil, o, nil, err
	}
	m, err = r.model(name)
	return m, o, raw, err
}

// setVersionGates returns the gates that an event stored with its version, or
// nil if it did not set any.
func setVersionGates(e *timeline.Event) *PromotionGate {
	if e.Op != index.OpGates || e.Version == "" {
		return nil
	}
	for _, im := range e.After {
		if im.Version == e.Version {
			x, err := index.ReadExtra(im.Extra)
			if err != nil {
				return nil
			}
			return &PromotionGate{gate.Stored("gates", x.Gates).Storable()}
		}
	}
	return nil
}

// setModelGates returns the model's gates after an event, or nil if the event
// did not change them.
func setModelGates(e *timeline.Event) *PromotionGate {
	if e.Model == nil || e.Op == index.OpAlias || e.Op == index.OpAnnotate {
		return nil
	}
	gates := factsGates(index.ReadFacts(e.Model))
	if !e.ModelChanged && gates.Same(factsGates(index.ReadFacts(e.ModelBefore))) {
		return nil
	}
	return &PromotionGate{gates.Storable()} // only one gate of each name
}
