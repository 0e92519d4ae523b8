package modelregistry

import (
	"context"
	"errors"
	"fmt"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/check"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A RepairKind is a kind of RepairAction.
type RepairKind string

// The kinds of actions of Repair.
const (
	RebuildHistory  RepairKind = RepairKind(check.RebuildHistory)  // write the history again from its readable lines; an event says what was lost
	RecoverVersion  RepairKind = RepairKind(check.RecoverVersion)  // list a version again whose event was lost, in development
	RebuildDocument RepairKind = RepairKind(check.RebuildDocument) // write registry.json again
	RecordState     RepairKind = RepairKind(check.RecordState)     // append an event for an external change, a lost history or a second version in production
	PutAside        RepairKind = RepairKind(check.PutAside)        // move the files of a change that did not happen to .orphans
	RemoveDebris    RepairKind = RepairKind(check.RemoveDebris)    // remove what a crash left
)

// A RepairAction is one thing that Repair did, or would do.
type RepairAction struct {
	Kind    RepairKind
	Version string // the version, if the action is about one
	Path    string // the file or folder, if it is about one; relative to the store
	Detail  string // an explanation
}

// String returns "kind: version: path: detail" without the empty parts.
func (a RepairAction) String() string {
	return check.Action{Kind: check.ActionKind(a.Kind), Version: a.Version, Path: a.Path, Detail: a.Detail}.String()
}

// A RepairReport lists what Repair did, or would do.
type RepairReport struct {
	Actions []RepairAction
	Applied bool
	Kept    []string // the folders with the replaced files, relative to the store
}

// RepairOptions go with Repair. With the zero value and nil, Repair changes
// nothing.
type RepairOptions struct {
	Apply  bool   // make the repair; otherwise only report it
	Actor  string // the person or program that repairs; by default Options.Actor
	Reason string // the reason, for the history
}

// Repair repairs a model in which Verify found problems, as far as the
// remaining files allow. Without Apply it only reports what it would do.
//
//   - A registry.json that is lost, damaged, or different from what the history
//     says is rebuilt from the history.
//   - A history with damaged lines is written again from its readable lines, in
//     order. What the lost lines changed is taken from registry.json if that
//     did not lag. A version that only a lost line named is listed again from
//     its manifest, in development. An event records all this.
//   - A lost history is replaced by a new one. It starts with registry.json, or
//     with the manifests if that is lost, too.
//   - An external change, or a second version in production, is recorded by an
//     event. The next change would do the same.
//   - If the history is undamaged, files of a version that no event names are
//     moved to .orphans, and the remains of a crash are removed.
//   - Files of a version that another program left without an entry are moved
//     to .orphans once they are an hour old.
//
// Repair keeps the files that it replaces in .repairs. It touches no other
// files that the registry did not make. It can't restore the bytes of an
// artifact. If a manifest is not the one that the history names, it can't
// decide which one is right. Other processes may use the registry meanwhile. A
// second Repair finds nothing to do.
//
// The error matches ErrNotFound if there is no such model, and
// errors.ErrUnsupported if the store does not implement driver.Maintainer. It
// matches ErrConflict if another program wrote registry.json meanwhile; that
// file then stays.
func (r *ModelRegistry) Repair(ctx context.Context, name ModelName, opts *RepairOptions) (report *RepairReport, err error) {
	defer func() { err = opError(index.OpRepair, name.all(), err) }()
	var o RepairOptions
	if opts != nil {
		o = *opts
	}
	if o.Actor == "" {
		o.Actor = r.opts.Actor
	}
	m, err := r.model(name)
	if err != nil {
		return nil, err
	}
	store, ok := r.store.(driver.Maintainer)
	if !ok {
		return nil, fmt.Errorf("%w: this store can't be repaired", errors.ErrUnsupported)
	}
	if !r.engine.Start() {
		return nil, ErrClosed
	}
	defer r.engine.Stop()
	repairer := check.Repairer{Model: m.Model, Store: store, Manifests: &r.manifests}
	done, err := repairer.Repair(ctx, check.Options(o))
	report = &RepairReport{Applied: done.Applied, Kept: done.Kept}
	for _, a := range done.Actions {
		report.Actions = append(report.Actions, RepairAction{RepairKind(a.Kind), a.Version, a.Path, a.Detail})
	}
	if errors.Is(err, check.ErrNoModel) {
		return nil, notFound("model %s", name)
	}
	return report, err
}
