package modelregistry

import (
	"context"
	"errors"
	"fmt"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/check"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A RepairKind is a kind of repair.
type RepairKind string

// What Repair does.
const (
	RebuildHistory  RepairKind = RepairKind(check.RebuildHistory)  // the lines that can be read are kept, and an event says what was lost
	RecoverVersion  RepairKind = RepairKind(check.RecoverVersion)  // a tree whose event was lost is listed again, in development
	RebuildDocument RepairKind = RepairKind(check.RebuildDocument) // from the history
	RecordState     RepairKind = RepairKind(check.RecordState)     // what the document has and the history has not; two productions
	PutAside        RepairKind = RepairKind(check.PutAside)        // a tree of a change that never happened, into .orphans
	RemoveDebris    RepairKind = RepairKind(check.RemoveDebris)    // what a crash left
)

// A RepairAction is one thing that Repair does, or would do.
type RepairAction struct {
	Kind    RepairKind
	Version string // if it is about one
	Path    string // relative to the store, if it is about one file or folder
	Detail  string // what a person wants to know of it
}

// String returns "kind: version: path: detail", without the parts that are
// empty.
func (a RepairAction) String() string {
	return check.Action{Kind: check.ActionKind(a.Kind), Version: a.Version, Path: a.Path, Detail: a.Detail}.String()
}

// A RepairReport is what Repair did, or would do.
type RepairReport struct {
	Actions []RepairAction
	Applied bool
	Kept    []string // where the files are that were replaced, relative to the store
}

// RepairOptions go with Repair. The zero value and nil say what would be done.
type RepairOptions struct {
	Apply  bool   // do it
	Actor  string // who repairs; empty takes the registry's Actor
	Reason string // why, for the history
}

// Repair repairs a model in which Verify found problems, as far as the
// remaining files allow. Without Apply it only reports what it would do.
//
//   - A document that is lost, damaged or in disagreement is rebuilt from the
//     history.
//   - Of a history with damaged lines, the readable lines are kept, in order.
//     The effect of the lost ones comes from the document if that did not lag.
//     A version that only a lost line named is listed again from its manifest,
//     in development. An event records this.
//   - A lost history is replaced by a new one, which starts with the document,
//     or with the manifests if the document is lost too.
//   - An external change, or a second version in production, is recorded by an
//     event, as the next change would do.
//   - Under a sound history, a tree that no event names is set aside, and the
//     remains of a crash are removed.
//
// The files that Repair replaces are kept in .repairs. It can't restore the
// bytes of an artifact. If a manifest is not the one that the history names, it
// can't decide which one is right. It never touches files that the registry did
// not make. It is safe beside other programs' changes, and a second Repair
// finds nothing to do.
//
// It matches ErrNotFound if nothing is there, ErrConflict if another program
// wrote registry.json meanwhile, which then stays, and errors.ErrUnsupported if
// the store is no [Maintainer].
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
		return nil, fmt.Errorf("%w by this store", errors.ErrUnsupported)
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
