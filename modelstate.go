package modelregistry

import (
	"context"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/derived"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A state is the present state of a model. It is valid only while the model's
// lock is held.
type state struct {
	*engine.State
	derived *derived.Cache[ModelVersion]
}

// read calls fn with the model's present state, under the model's lock.
func (m *model) read(ctx context.Context, fn func(state) error) error {
	return m.Read(ctx, false, func(s *engine.State) error { return fn(state{s, &m.derived}) })
}

// A txn collects the events of a change, and has the values that are derived
// from the state before it.
type txn struct {
	*engine.Txn
	derived *derived.Cache[ModelVersion]
}

func (m *model) txn(t *engine.Txn) *txn { return &txn{t, &m.derived} }

// change waits for its turn and makes a change, as described at
// engine.Model.Change. It returns the version that the change is about, as the
// change leaves it. The version is decoded under the model's lock, because a
// later change may lay out its entry.
func (m *model) change(ctx context.Context, decide func(*txn) (string, error), staged driver.Staged) (ModelVersion, error) {
	var v ModelVersion
	err := m.Change(ctx, func(t *engine.Txn) (string, error) {
		v = ModelVersion{}
		now := m.txn(t)
		version, err := decide(now)
		if err != nil {
			return version, indexError(err)
		}
		if e := t.Get(version); e != nil {
			v = now.view(e)
		}
		return version, nil
	}, staged)
	if err != nil {
		return ModelVersion{}, err
	}
	return v, nil
}

// changeExisting is change for a change of a model that must exist, and that is
// not about one version.
func (m *model) changeExisting(ctx context.Context, decide func(*txn) error) error {
	_, err := m.change(ctx, func(t *txn) (string, error) {
		if t.Empty() {
			return "", notFound("model %s", m.Name)
		}
		return "", decide(t)
	}, nil)
	return err
}

// view returns an entry as a caller sees it.
func (s state) view(e *index.Entry) ModelVersion { return viewEntry(s.State.State, e) }

func viewEntry(s *index.State, e *index.Entry) ModelVersion {
	return viewAmong(s, s.Facts, e, func() *index.Entry { return s.Holder(index.Production) })
}

// view returns an entry as a caller will see it after the events of t.
func (t *txn) view(e *index.Entry) ModelVersion { return viewAmong(t.Base, t.Facts(), e, t.Production) }

// viewAmong returns an entry as a caller sees it. production returns the entry
// that is in production. If another program left two in production, that is the
// one promoted last. The other is shown as archived, because the next change
// will archive it.
func viewAmong(s *index.State, f index.Facts, e *index.Entry, production func() *index.Entry) ModelVersion {
	v := *decodeVersion(modelName(s), e)
	v.ModelGates.set, v.Aliases = factsGates(f), f.AliasesOf(v.Version)
	if v.Stage == Production {
		if p := production(); p != e {
			v.Stage = Archived
			v.Problems = append(slices.Clip(v.Problems), "stored as in production, but "+p.Version+" was promoted later")
		}
	}
	return v
}

func modelName(s *index.State) ModelName { return ModelName{UseCase: s.UseCase, Model: s.Model} }

// factsGates returns the gates that are stored for a model.
func factsGates(f index.Facts) gate.Set {
	if f.Decoded == nil {
		return gate.Set{}
	}
	if gates, ok := f.Decoded.Load().(gate.Set); ok {
		return gates
	}
	gates := gate.Stored(index.GatesKey, f.Get(index.GatesKey))
	f.Decoded.Store(gates)
	return gates
}
