package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A RepairKind is a kind of repair.
type RepairKind string

// What Repair does.
const (
	RebuildHistory  RepairKind = "rebuild history"  // the lines that can be read are kept, and an event says what was lost
	RecoverVersion  RepairKind = "recover version"  // a tree whose event was lost is listed again, in development
	RebuildDocument RepairKind = "rebuild document" // from the history
	RecordState     RepairKind = "record state"     // what the document has and the history has not; two productions
	PutAside        RepairKind = "put aside"        // a tree of a change that never happened, into .orphans
	RemoveDebris    RepairKind = "remove debris"    // what a crash left
)

// A RepairAction is one thing that Repair does, or would do.
type RepairAction struct {
	Kind    RepairKind
	Version string // if it is about one
	Path    string // relative to the store, if it is about one file or folder
	Detail  string // what a person wants to know of it
}

// String returns "kind: path: detail".
func (a RepairAction) String() string {
	parts := []string{string(a.Kind)}
	for _, s := range []string{a.Version, a.Path, a.Detail} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
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
	if !r.start() {
		return nil, ErrClosed
	}
	defer r.stop()
	x, err := m.checkQuietly(ctx)
	if err != nil {
		return nil, err
	}
	p, err := m.plan(ctx, x)
	report = &RepairReport{}
	if p != nil {
		report.Actions = p.actions()
	}
	if err != nil || !o.Apply || len(report.Actions) == 0 {
		return report, err
	}
	if err := writable(x.facts()); err != nil {
		return report, err
	}
	report.Applied, report.Actions = true, nil
	if len(p.appended) > 0 {
		if err := m.appendRepair(ctx, p, o); err != nil {
			return report, err
		}
		report.Actions = p.appended
	}
	report.Kept, err = store.Replace(ctx, name.UseCase, name.Model, func(v driver.View) (*driver.Replacement, error) {
		x, err := m.check(ctx, v)
		if err != nil {
			return nil, err
		}
		now, err := m.plan(ctx, x)
		if err != nil {
			return nil, err
		}
		if err := writable(x.facts()); err != nil {
			return nil, err
		}
		report.Actions = append(report.Actions, p.done(now)...)
		if len(now.replaced) == 0 {
			return nil, nil
		}
		return now.replacement(o)
	})
	m.mu.Lock()
	m.state = nil
	m.mu.Unlock()
	return report, err
}

// appendRepair appends the event that the next change would make, with the
// recovered versions.
func (m *model) appendRepair(ctx context.Context, p *repairPlan, o RepairOptions) error {
	_, err := m.change(ctx, func(t *txn) (string, error) {
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

// A repairPlan has the actions that a check leads to.
type repairPlan struct {
	m *model
	x *modelCheck

	// What an event of the usual kind does: the history can be read.
	appended  []RepairAction
	recovered []index.Image

	// What takes other files in the place of those there.
	replaced   []RepairAction
	state      *index.State // what the model is to be; nil leaves log and document
	rewriteLog bool
	aside      []string
	remove     []driver.Item
}

// done returns what is replaced by the plan now, after the event was appended,
// and what of the debris is gone since: the append may have written over it.
func (p *repairPlan) done(now *repairPlan) (list []RepairAction) {
	for _, a := range p.replaced {
		if slices.Contains(now.replaced, a) || len(p.appended) > 0 && a.Kind == RemoveDebris {
			list = append(list, a)
		}
	}
	for _, a := range now.replaced {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

func (p *repairPlan) actions() []RepairAction {
	return append(p.appended[:len(p.appended):len(p.appended)], p.replaced...)
}

// plan decides how to repair a model. The plan is valid if no change was under
// way during the check.
func (m *model) plan(ctx context.Context, x *modelCheck) (*repairPlan, error) {
	if x.isNone() && len(x.items) == 0 {
		return nil, notFound("model %s", m.name)
	}
	p := &repairPlan{m: m, x: x}
	var err error
	switch {
	case len(x.damage) > 0 || len(x.lines) == 0 && x.docErr != nil || x.isNone() && x.hasTrees():
		err = p.rebuildHistory(ctx)
	case x.isNone():
	case x.lost():
		p.append(RepairAction{Kind: RecordState, Path: p.file(logFile), Detail: "the history starts anew from the document"})
		err = p.recoverTrees(ctx)
	case len(x.lines) == 0: // another program's store, in order
	case x.docErr != nil || !x.hasDoc:
		// Who lost the document may have lost the history's end with it.
		if err = p.recoverTrees(ctx); err == nil && (x.docErr != nil || len(p.recovered) == 0) {
			p.rebuildDocument("from the history") // else the event that lists them again brings it
		}
	case !x.owns() && x.state != nil && x.state.Pending == nil:
		p.state = x.state.State // with what the document has that the history has not, such as its layout
		p.replace(RepairAction{Kind: RebuildDocument, Path: p.file(documentFile), Detail: "another program wrote it, and changed no version"})
	case !x.owns():
		p.recordForeign()
	default:
		if x.changed() {
			p.recordForeign()
		}
		if what := x.documentDiffers(m.name); what != "" {
			p.rebuildDocument("from the history: " + what)
		}
	}
	if err != nil {
		return nil, err
	}
	if s := x.state; s != nil && p.state == nil && len(s.Productive) > 1 {
		p.append(RepairAction{Kind: RecordState, Version: s.Holder(index.Production).Version,
			Detail: "it was promoted last; the others that are stored as in production are archived"})
	}
	p.clear()
	return p, nil
}

func (p *repairPlan) file(name string) string { return p.m.name.String() + "/" + name }

func (p *repairPlan) append(a RepairAction) { p.appended = append(p.appended, a) }

func (p *repairPlan) replace(a RepairAction) { p.replaced = append(p.replaced, a) }

// event returns the event that records a repair.
func (p *repairPlan) event(o RepairOptions, actions []RepairAction) *index.Event {
	var notes []string
	if o.Reason != "" {
		notes = append(notes, o.Reason)
	}
	for _, a := range actions {
		notes = append(notes, a.String())
	}
	return &index.Event{Op: index.OpRepair, Actor: o.Actor, Reason: strings.Join(notes, "; ")}
}

// recordForeign records an external change by an event.
func (p *repairPlan) recordForeign() {
	detail := "what another program or an editor wrote"
	if what := p.x.foreign(p.m.name); what != "" {
		detail += ": " + what
	}
	p.append(RepairAction{Kind: RecordState, Path: p.file(documentFile), Detail: detail})
}

// rebuildDocument makes the document again from the history. Keys of other
// programs and of later releases stay if the old document can be read.
func (p *repairPlan) rebuildDocument(detail string) {
	p.state = p.x.replayed(p.m.name, p.x.last())
	if d := p.x.doc; d != nil {
		p.state.Head = d.Head
		if d.Mark != nil {
			p.state.Others = d.Mark.Others
		}
		p.state.Learn(p.state.Facts)
	}
	p.replace(RepairAction{Kind: RebuildDocument, Path: p.file(documentFile), Detail: detail})
}

// recoverTrees lists versions again whose events were lost, if their trees
// match their manifests.
func (p *repairPlan) recoverTrees(ctx context.Context) error {
	s := p.final()
	for _, it := range p.x.items {
		if it.Kind != driver.ItemTree || s != nil && (s.Get(it.Version) != nil || slices.Contains(s.Removed, it.Version)) {
			continue
		}
		im, err := p.m.fromTree(ctx, it.Version)
		if errors.Is(err, ErrArtifact) && !diskFailed(err) {
			if p.rewriteLog {
				p.state.Remove(it.Version) // it may have been a version: its number is not given out again
			}
			continue // it never was sealed, or is not what it was
		}
		if err != nil {
			return err
		}
		a := RepairAction{Kind: RecoverVersion, Version: it.Version, Path: it.Path, Detail: "in development, from its manifest"}
		if p.state != nil {
			p.state.Set(im)
			p.replace(a)
		} else {
			p.recovered = append(p.recovered, im)
			p.append(a)
		}
	}
	return nil
}

// diskFailed reports whether a tree could not be read, which says nothing about
// its content.
func diskFailed(err error) bool {
	var failed *fs.PathError
	return errors.As(err, &failed) && !errors.Is(err, fs.ErrNotExist)
}

// final is the state that the model will have, but for what is recovered.
func (p *repairPlan) final() *index.State {
	switch {
	case p.state != nil:
		return p.state
	case p.x.state != nil:
		return p.x.state.State
	}
	return nil
}

// clear decides about other files in the model's folder.
func (p *repairPlan) clear() {
	for _, it := range p.x.items {
		switch s := p.final(); {
		case it.Kind == driver.ItemTorn && (p.rewriteLog || len(p.appended) > 0): // it goes with that
		case removable(it.Kind):
			p.remove = append(p.remove, it)
			p.replace(RepairAction{Kind: RemoveDebris, Path: it.Path})
		case it.Kind == driver.ItemTree && (len(p.x.lines) > 0 || p.rewriteLog) && s != nil && s.Get(it.Version) == nil && !p.recovers(it.Version):
			p.aside = append(p.aside, it.Version)
			p.replace(RepairAction{Kind: PutAside, Version: it.Version, Path: it.Path, Detail: "no event names it"})
		}
	}
}

func (p *repairPlan) recovers(version string) bool {
	return slices.ContainsFunc(p.recovered, func(im index.Image) bool { return im.Version == version })
}

// replacement is what the store is to put in place.
func (p *repairPlan) replacement(o RepairOptions) (*driver.Replacement, error) {
	r := &driver.Replacement{Aside: p.aside, Remove: p.remove}
	if p.state == nil {
		return r, nil
	}
	if p.rewriteLog {
		log, err := p.log(o)
		if err != nil {
			return nil, err
		}
		r.Log = log
	}
	r.Document, r.Note = p.state.Format(p.state.Offset), p.state.Note()
	return r, nil
}
