package modelregistry

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/ubunye-go/modelregistry/internal/removal"
)

// UsageOptions go with Usage. The zero value and nil measure every model.
type UsageOptions struct {
	UseCase, Model string // only models with these names; empty for all
}

// A ModelUsage says how much space a model takes in the store, in bytes.
type ModelUsage struct {
	Name     ModelName      `json:"-"`
	Live     int64          `json:"live"`    // the files of listed versions
	Deleted  int64          `json:"deleted"` // the files of deleted versions
	Staging  int64          `json:"staging"` // files of registrations that are under way or died
	Orphans  int64          `json:"orphans"` // files that were put aside, and what a repair replaced
	Other    int64          `json:"other"`   // the history, registry.json and anything else
	Versions []VersionUsage `json:"versions"`
}

// Total returns the sum.
func (u ModelUsage) Total() int64 { return u.Live + u.Deleted + u.Staging + u.Orphans + u.Other }

// MarshalJSON returns all fields, with the parts of the name as members.
func (u ModelUsage) MarshalJSON() ([]byte, error) {
	type sizes ModelUsage // without this method
	if u.Versions == nil {
		u.Versions = []VersionUsage{}
	}
	return json.Marshal(struct {
		UseCase string `json:"use_case"`
		Model   string `json:"model_name"`
		sizes
	}{u.Name.UseCase, u.Name.Model, sizes(u)})
}

// A VersionUsage says how much space the files of a version take.
type VersionUsage struct {
	Version string `json:"version"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	Deleted bool   `json:"deleted"`
}

// Usage yields how much space each model takes, sorted by name, also of models
// whose versions were all deleted. For a model that can't be measured it yields
// an error, and goes on. The error matches errors.ErrUnsupported if the store
// can't tell.
func (r *ModelRegistry) Usage(ctx context.Context, opts *UsageOptions) iter.Seq2[ModelUsage, error] {
	var o UsageOptions
	if opts != nil {
		o = *opts
	}
	return func(yield func(ModelUsage, error) bool) {
		if _, err := removal.UsageStore(r.store); err != nil {
			yield(ModelUsage{}, &Error{Op: "usage", Err: err})
			return
		}
		for name, err := range r.names(ctx) {
			u := ModelUsage{Name: name}
			if err == nil && (o.UseCase != "" && o.UseCase != name.UseCase || o.Model != "" && o.Model != name.Model) {
				continue
			}
			if err == nil {
				u, err = r.usage(ctx, name)
			}
			if !yield(u, opError("usage", name.all(), err)) || ctx.Err() != nil {
				return
			}
		}
	}
}

func (r *ModelRegistry) usage(ctx context.Context, name ModelName) (u ModelUsage, err error) {
	m, err := r.model(name)
	if err != nil {
		return ModelUsage{Name: name}, err
	}
	of, err := removal.Measure(ctx, m.Model)
	u = ModelUsage{Name: name, Live: of.Live, Deleted: of.Deleted, Staging: of.Staging, Orphans: of.Orphans, Other: of.Other}
	for _, v := range of.Versions {
		u.Versions = append(u.Versions, VersionUsage(v))
	}
	return u, err
}
