package modelregistry

import (
	"context"
	"errors"

	"github.com/ubunye-go/modelregistry/internal/gate"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/timeline"
)

// baselines are the versions that gates compare with, by the gates' references.
// Those of the promoted model are of one reading of its state.
type baselines map[string]baseline

type baseline struct {
	gate.Baseline
	metrics  Values
	other    Ref   // the reference, if it is to another model, which is not read yet
	deleted  bool  // the metrics are only in the history
	external int64 // if deleted: the last external change, after which the number may mean another version
}

// baselines returns the versions that gates compare with, after the events so
// far.
func (t *txn) baselines(name ModelName, gates gate.Set) baselines {
	refs := gates.Baselines()
	if refs == nil {
		return nil
	}
	all := baselines{}
	for _, text := range refs {
		ref, err := baselineRef(name, text)
		switch {
		case err != nil:
			all[text] = baseline{Baseline: gate.Baseline{Err: err}}
		case ref.Name != name:
			all[text] = baseline{other: ref}
		case ref == name.In(Production):
			all[text] = t.productionBaseline(name)
		default:
			all[text] = t.baseline(ref)
		}
	}
	return all
}

func (t *txn) baseline(ref Ref) baseline {
	e, err := t.find(ref)
	if err != nil {
		return baseline{Baseline: gate.Baseline{Err: err}}
	}
	label := e.Version
	if ref.Version == "" {
		label = ref.what() + " " + label
	}
	return baselineOf(e.Version, label, decodeVersion(ref.Name, e).Metrics)
}

// productionBaseline returns the version in production, or else the one that
// was there last, so that a worse version can't enter after production was
// archived.
func (t *txn) productionBaseline(name ModelName) baseline {
	version, e := t.LastProduction()
	switch {
	case version == "":
		return baseline{Baseline: gate.Baseline{None: "no version has been in production yet"}}
	case e == nil:
		b := baselineOf(version, "last in production "+version+", deleted since", Values{})
		b.deleted, b.external = true, t.Base.External
		return b
	case e != t.Production():
		return baselineOf(version, "last in production "+version, decodeVersion(name, e).Metrics)
	}
	return baselineOf(version, "production "+version, decodeVersion(name, e).Metrics)
}

func baselineOf(version, label string, metrics Values) baseline {
	return baseline{Baseline: gate.Baseline{Version: version, Name: label, Metrics: metrics}, metrics: metrics}
}

// same reports whether two readings of the promoted model have the same
// baselines. Those of other models are not compared.
func (b baselines) same(o baselines) bool {
	for text, x := range b {
		y, ok := o[text]
		if !ok || x.Version != y.Version || x.Name != y.Name || x.None != y.None || (x.Err == nil) != (y.Err == nil) ||
			x.deleted != y.deleted || x.external != y.external || !pyjson.Equal(x.metrics.raw, y.metrics.raw) {
			return false
		}
	}
	return len(b) == len(o)
}

// complete returns the baselines with the parts that the state of the promoted
// model lacks: versions of other models, and the metrics of deleted versions.
func (r *ModelRegistry) complete(ctx context.Context, m *model, from baselines) map[string]gate.Baseline {
	all := map[string]gate.Baseline{}
	for text, b := range from {
		switch {
		case b.other != (Ref{}):
			all[text] = r.otherBaseline(ctx, b.other)
		case b.deleted:
			all[text] = deletedBaseline(ctx, m, b.Baseline)
		default:
			all[text] = b.Baseline
		}
	}
	return all
}

func (r *ModelRegistry) otherBaseline(ctx context.Context, ref Ref) gate.Baseline {
	v, err := r.GetVersion(ctx, ref)
	if err != nil {
		return gate.Baseline{Err: err}
	}
	label := v.String()
	if ref.Version == "" {
		label = ref.String() + " " + v.Version
	}
	return gate.Baseline{Version: v.String(), Name: label, Metrics: v.Metrics}
}

// deletedBaseline reads the metrics of a deleted version from the history.
func deletedBaseline(ctx context.Context, m *model, b gate.Baseline) gate.Baseline {
	raw, err := timeline.LastInProduction(ctx, m.Model, b.Version)
	if err == nil && raw == nil {
		err = errors.New("the history has no entry of it")
	}
	if err != nil {
		return gate.Baseline{Err: errors.Join(errors.New(b.Name), err)}
	}
	b.Metrics = Values{index.ReadFields(b.Version, raw).Metrics}
	return b
}
