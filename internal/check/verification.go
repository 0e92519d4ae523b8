package check

import (
	"context"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Verification checks models, one after the other.
type Verification struct {
	Versions

	Open func(driver.Name) (*engine.Model, error)
	// Select returns the versions of a model to check.
	Select func(*Check) ([]*index.Entry, error)
	// ReadFacts returns what can't be read of the facts of a model, or nil.
	ReadFacts func(index.Facts) error
	// Missed returns the findings about gates that a promotion missed.
	Missed func(context.Context, *engine.Model, *engine.State) []Finding
	Notify func(ModelProgress) // nil for none; called as by Versions.Check
}

// A Place is the name of a model that has any file in the store, or the error
// of reading the name.
type Place struct {
	Name driver.Name
	Err  error
}

// A ModelProgress says how far a verification is in one model.
type ModelProgress struct {
	Name           driver.Name
	Number, Models int // the position of the model among those to check, from 1
	Progress
}

// A ModelFinding is a finding in one model.
type ModelFinding struct {
	Name driver.Name
	Finding
}

// A VerifyReport is the result of a verification.
type VerifyReport struct {
	Models   []driver.Name // the models that were checked to the end
	Versions int           // how many versions were checked
	Findings []ModelFinding
}

// A ModelError says in which model a verification ended early.
type ModelError struct {
	Name driver.Name
	Err  error
}

func (e *ModelError) Error() string { return e.Name.String() + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ModelError) Unwrap() error { return e.Err }

func (r *VerifyReport) add(name driver.Name, found ...Finding) {
	for _, f := range found {
		r.Findings = append(r.Findings, ModelFinding{name, f})
	}
}

// Run checks the models. A model that can't be read is a finding. Run ends
// early if the context ends or Select fails. The error is then a *ModelError,
// and the report has what was checked until then.
func (v Verification) Run(ctx context.Context, places []Place) (*VerifyReport, error) {
	report := &VerifyReport{}
	for i, p := range places {
		if err := ctx.Err(); err != nil {
			return report, &ModelError{p.Name, err}
		}
		unread := p.Err
		if unread == nil {
			var err error
			if unread, err = v.model(ctx, report, ModelProgress{Name: p.Name, Number: i + 1, Models: len(places)}); err != nil {
				return report, &ModelError{p.Name, err}
			}
		}
		if unread != nil {
			report.add(p.Name, Finding{Kind: StoreUnreadable, Err: unread})
		}
	}
	return report, nil
}

// model checks one model. It returns as unread the error because of which it
// can't be read. Any other error ends the verification.
func (v Verification) model(ctx context.Context, report *VerifyReport, p ModelProgress) (unread, err error) {
	m, err := v.Open(p.Name)
	if err != nil {
		return err, nil
	}
	x, err := Read(ctx, m)
	if err != nil {
		return err, ctx.Err()
	}
	report.add(p.Name, x.Findings()...)
	if problem := v.ReadFacts(x.Facts()); problem != nil {
		report.add(p.Name, Finding{Kind: EntryUnreadable, Err: problem})
	}
	if x.State != nil {
		report.add(p.Name, v.Missed(ctx, m, x.State)...)
		if err := v.versions(ctx, report, x, p); err != nil {
			return nil, err
		}
	}
	report.Models = append(report.Models, p.Name)
	return nil, nil
}

// versions checks the selected versions of a model.
func (v Verification) versions(ctx context.Context, report *VerifyReport, x *Check, p ModelProgress) error {
	list, err := v.Select(x)
	if err != nil {
		return err
	}
	var notify func(Progress)
	if v.Notify != nil {
		notify = func(now Progress) {
			p.Progress = now
			v.Notify(p)
		}
	}
	found, checked := v.Check(ctx, p.Name, list, notify)
	report.add(p.Name, found...)
	report.Versions += checked
	if checked < len(list) {
		return ctx.Err()
	}
	return nil
}
