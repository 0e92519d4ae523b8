package modelregistry

import (
	"context"
	"errors"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/check"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A VerifyProgress reports how far Verify is in one model.
type VerifyProgress struct {
	Name     ModelName `json:"name"`     // the model
	Number   int       `json:"number"`   // the position of the model among those to check, from 1
	Models   int       `json:"models"`   // the number of models to check
	Begun    int       `json:"begun"`    // versions of the model whose check has begun, or has ended
	Checked  int       `json:"checked"`  // versions of the model whose check has ended
	Versions int       `json:"versions"` // versions of the model to check
	Files    Progress  `json:"files"`    // the files of the versions that were begun
}

// Fraction estimates which part of the work is done, from 0 to 1. It assumes
// that models have as many versions, and versions as many bytes, as those
// before.
func (p VerifyProgress) Fraction() float64 {
	model := 1.0
	switch {
	case p.Versions > 0 && p.Files.Total > 0:
		model = float64(p.Begun) / float64(p.Versions) * float64(min(p.Files.Hashed, p.Files.Total)) / float64(p.Files.Total)
	case p.Versions > 0:
		model = float64(p.Checked) / float64(p.Versions)
	}
	return (float64(p.Number-1) + model) / float64(max(p.Models, 1))
}

// verify checks what the options select, and fills the report.
func (r *ModelRegistry) verify(ctx context.Context, o VerifyOptions, report *VerifyReport) error {
	var places []check.Place
	for name, err := range r.places(ctx) {
		if o.selects(name) {
			places = append(places, check.Place{Name: driver.Name(name), Err: err})
		}
	}
	named := ModelName{o.UseCase, o.Model}
	switch {
	case len(places) == 0 && ctx.Err() != nil:
		return opError("verify", named.all(), ctx.Err())
	case len(places) == 0 && named != (ModelName{}):
		return opError("verify", named.all(), notFound("a model with this name"))
	}
	found, err := r.verification(o).Run(ctx, places)
	report.Versions = found.Versions
	for _, name := range found.Models {
		report.Models = append(report.Models, ModelName(name))
	}
	for _, f := range found.Findings {
		report.Findings = append(report.Findings, Finding{ModelName(f.Name), FindingKind(f.Kind), f.Version, f.Event, f.Path, f.Err})
	}
	var ended *check.ModelError
	if errors.As(err, &ended) {
		return opError("verify", ModelName(ended.Name).all(), ended.Err)
	}
	return err
}

// verification returns how models are checked.
func (r *ModelRegistry) verification(o VerifyOptions) check.Verification {
	v := check.Verification{
		Open: func(name driver.Name) (*engine.Model, error) {
			m, err := r.model(ModelName(name))
			if err != nil {
				return nil, err
			}
			return m.Model, nil
		},
		Select:    o.selected,
		Missed:    missedInProduction,
		ReadFacts: func(f index.Facts) error { return problems(index.GatesKey+": ", factsGates(f).Problems()) },
	}
	v.Read = func(e *index.Entry) (manifest string, problem error) {
		version := newVersion(ModelName{}, e)
		return version.ManifestSHA256, problems("", version.Problems)
	}
	if !o.WithoutArtifacts {
		v.Files = artifact.NewVerifier(r.store, &r.manifests)
	}
	if o.Progress != nil {
		v.Notify = func(p check.ModelProgress) {
			o.Progress(VerifyProgress{ModelName(p.Name), p.Number, p.Models, p.Begun, p.Checked, p.Versions, Progress(p.Files)})
		}
	}
	return v
}

// problems returns an error that lists problems, or nil if there are none.
func problems(before string, list []string) error {
	if len(list) == 0 {
		return nil
	}
	return errors.New(before + strings.Join(list, "; "))
}
