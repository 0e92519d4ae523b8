package check

import (
	"context"
	"errors"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/engine"
)

// ErrNoModel says that there is nothing to repair.
var ErrNoModel = errors.New("no model")

// An ActionKind is a kind of Action.
type ActionKind string

// The kinds of actions of a repair.
const (
	RebuildHistory  ActionKind = "rebuild history"  // write the history again from its readable lines; an event says what was lost
	RecoverVersion  ActionKind = "recover version"  // list a version again whose event was lost, in development
	RebuildDocument ActionKind = "rebuild document" // write registry.json again
	RecordState     ActionKind = "record state"     // append an event for an external change, a lost history or a second version in production
	PutAside        ActionKind = "put aside"        // move files of a version that is not listed to .orphans
	RemoveDebris    ActionKind = "remove debris"    // remove what a crash left
)

// An Action is one thing that a repair does, or would do.
type Action struct {
	Kind    ActionKind
	Version string // the version, if the action is about one
	Path    string // the file or folder, if it is about one; relative to the store
	Detail  string // an explanation
}

// String returns "kind: version: path: detail" without the empty parts.
func (a Action) String() string {
	parts := []string{string(a.Kind)}
	for _, s := range []string{a.Version, a.Path, a.Detail} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// A Report is what a repair did, or would do.
type Report struct {
	Actions []Action
	Applied bool
	Kept    []string // where the files are that were replaced, relative to the store
}

// Options say whether a repair is made, by which actor and why.
type Options struct {
	Apply         bool
	Actor, Reason string
}

// A Repairer repairs a model.
type Repairer struct {
	Model     *engine.Model
	Store     driver.Maintainer // the model's
	Manifests *artifact.Manifests
}

// Repair repairs the model as far as its files allow. Without Options.Apply it
// only reports what it would do. The error matches ErrNoModel if there is
// nothing of the model, and driver.ErrConflict if another program wrote the
// document meanwhile.
func (r Repairer) Repair(ctx context.Context, o Options) (report Report, err error) {
	x, err := Read(ctx, r.Model)
	if err != nil {
		return report, err
	}
	p, err := r.plan(ctx, x)
	if p != nil {
		report.Actions = p.actions()
	}
	if err != nil || !o.Apply || len(report.Actions) == 0 {
		return report, err
	}
	if err := engine.Writable(x.Facts()); err != nil {
		return report, err
	}
	report.Applied, report.Actions = true, nil
	if len(p.appended) > 0 {
		if err := p.appendEvent(ctx, o); err != nil {
			return report, err
		}
		report.Actions = p.appended
	}
	name := r.Model.Name
	report.Kept, err = r.Store.Replace(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Replacement, error) {
		x, err := read(ctx, r.Model, v)
		if err != nil {
			return nil, err
		}
		now, err := r.plan(ctx, x)
		if err != nil {
			return nil, err
		}
		if err := engine.Writable(x.Facts()); err != nil {
			return nil, err
		}
		report.Actions = append(report.Actions, p.done(now)...)
		if len(now.replaced) == 0 {
			return nil, nil
		}
		return now.replacement(o)
	})
	r.Model.Forget()
	return report, err
}

// appendEvent appends the event of the repair, with the recovered versions. As
// with every change, an external change is recorded first.
func (p *plan) appendEvent(ctx context.Context, o Options) error {
	err := p.Model.Change(ctx, func(t *engine.Txn) (string, error) {
		e := p.event(o, p.appended)
		for _, im := range p.recovered {
			if t.Get(im.Version) == nil {
				e.After = append(e.After, im)
			}
		}
		if len(e.After) == 0 && t.Base.Pending == nil && len(t.Base.Productive) < 2 {
			return "", nil // another process did it
		}
		return "", t.Emit(e)
	}, nil)
	return err
}
