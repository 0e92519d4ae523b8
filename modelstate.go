package modelregistry

import (
	"context"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A state is the present state of a model. It is valid only while the model's
// lock is held.
type state struct {
	*engine.State
	derived *derived
}

// read calls fn with the model's present state, under the model's lock.
func (m *model) read(ctx context.Context, fn func(state) error) error {
	return m.Read(ctx, false, func(s *engine.State) error { return fn(state{s, &m.derived}) })
}

// A txn collects the events of a change, and has the values that are derived
// from the state before it.
type txn struct {
	*engine.Txn
	derived *derived
}

func (m *model) txn(t *engine.Txn) *txn { return &txn{t, &m.derived} }

// change waits for its turn and makes a change, as described at
// engine.Model.Change. It returns the version that the change is about.
func (m *model) change(ctx context.Context, decide func(*txn) (string, error), staged driver.Staged) (v ModelVersion, err error) {
	done, err := m.Change(ctx, func(t *engine.Txn) (string, error) {
		version, err := decide(m.txn(t))
		return version, indexError(err)
	}, staged)
	if err != nil || done.Entry == nil {
		return v, err
	}
	v = *decodeVersion(ModelName(m.Name), done.Entry)
	v.Stage, v.ModelGates = ModelStage(done.Stage), factsGates(done.Facts)
	return v, nil
}

// view returns an entry as a caller sees it.
func (s state) view(e *index.Entry) ModelVersion { return viewEntry(s.State.State, e) }

func viewEntry(s *index.State, e *index.Entry) ModelVersion {
	return viewAmong(s, e, func() *index.Entry { return s.Holder(index.Production) })
}

// view returns an entry as a caller will see it after the events of t.
func (t *txn) view(e *index.Entry) ModelVersion { return viewAmong(t.Base, e, t.Production) }

// viewAmong returns an entry as a caller sees it. production returns the entry
// that is in production. If another program left two in production, that is the
// one promoted last. The other is shown as archived, because the next change
// will archive it.
func viewAmong(s *index.State, e *index.Entry, production func() *index.Entry) ModelVersion {
	v := *decodeVersion(modelName(s), e)
	v.ModelGates = factsGates(s.Facts)
	if v.Stage == Production {
		if p := production(); p != e {
			v.Stage = Archived
			v.Problems = append(slices.Clip(v.Problems), "stored as in production, but "+p.Version+" was promoted later")
		}
	}
	return v
}

func modelName(s *index.State) ModelName { return ModelName{UseCase: s.UseCase, Model: s.Model} }
