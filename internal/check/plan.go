package check

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A plan has the actions that repair a model.
type plan struct {
	Repairer
	check *Check

	// The actions of an appended event. It needs a history that can be read.
	appended  []Action
	recovered []index.Image

	// The actions that replace or remove files.
	replaced   []Action
	state      *index.State // what the model is to be; nil leaves log and document
	rewriteLog bool
	restoreLog bool // the log gets the bytes that it had before a program rewrote it as text
	aside      []string
	remove     []driver.Item
}

// done returns the replacements of now, the plan after the event was appended.
// It adds debris of p that is no longer there, because the append may have
// overwritten it.
func (p *plan) done(now *plan) (list []Action) {
	replaces, listed := map[Action]bool{}, map[Action]bool{}
	for _, a := range now.replaced {
		replaces[a] = true
	}
	for _, a := range p.replaced {
		if replaces[a] || len(p.appended) > 0 && a.Kind == RemoveDebris {
			list = append(list, a)
			listed[a] = true
		}
	}
	for _, a := range now.replaced {
		if !listed[a] {
			list = append(list, a)
		}
	}
	return list
}

func (p *plan) actions() []Action {
	return append(p.appended[:len(p.appended):len(p.appended)], p.replaced...)
}

// plan decides how to repair a model. The plan is valid if no change was under
// way during the check.
func (r Repairer) plan(ctx context.Context, x *Check) (*plan, error) {
	if x.isNone() && len(x.items) == 0 {
		return nil, ErrNoModel
	}
	p := &plan{Repairer: r, check: x}
	var err error
	switch {
	case x.originalLog != nil || len(x.log.Damage) == 0 && x.docRewritten != nil:
		p.undoRewriting()
	case len(x.log.Damage) > 0 || len(x.log.Lines) == 0 && x.docErr != nil || x.isNone() && x.hasTrees():
		err = p.rebuildHistory(ctx)
	case x.isNone():
	case x.lost():
		p.append(Action{Kind: RecordState, Path: p.file(engine.LogFile), Detail: "a new history starts from the document"})
		err = p.recoverTrees(ctx)
	case len(x.log.Lines) == 0: // another program's store, in order
	case x.docErr != nil || !x.hasDoc:
		// The end of the history may be lost with the document.
		if err = p.recoverTrees(ctx); err == nil && (x.docErr != nil || len(p.recovered) == 0) {
			p.rebuildDocument("from the history") // otherwise the event that lists versions again writes the document, too
		}
	case !x.owns() && x.State != nil && x.State.Pending == nil:
		p.state = x.State.State // with what only the document has, such as its layout
		p.replace(Action{Kind: RebuildDocument, Path: p.file(engine.DocumentFile), Detail: "another program wrote it, and changed no version"})
	case !x.owns():
		p.recordExternal()
	default:
		if x.changed() {
			p.recordExternal()
		}
		if what := x.documentDiffers(); what != "" {
			p.rebuildDocument("from the history: " + what)
		}
	}
	if err != nil {
		return nil, err
	}
	if s := x.State; s != nil && p.state == nil && len(s.Productive) > 1 {
		p.append(Action{Kind: RecordState, Version: s.Holder(index.Production).Version,
			Detail: "it was promoted last; the others that are stored as in production are archived"})
	}
	p.clear(ctx)
	return p, nil
}

func (p *plan) file(name string) string { return p.Model.Name.String() + "/" + name }

func (p *plan) append(a Action) { p.appended = append(p.appended, a) }

func (p *plan) replace(a Action) { p.replaced = append(p.replaced, a) }

// event returns the event that records a repair.
func (p *plan) event(o Options, actions []Action) *index.Event {
	var notes []string
	if o.Reason != "" {
		notes = append(notes, o.Reason)
	}
	for _, a := range actions {
		notes = append(notes, a.String())
	}
	return &index.Event{Op: index.OpRepair, Actor: o.Actor, Reason: strings.Join(notes, "; ")}
}

// recordExternal records an external change by an event.
func (p *plan) recordExternal() {
	detail := "what another program or an editor wrote"
	if what := p.check.externalChanges(); what != "" {
		detail += ": " + what
	}
	p.append(Action{Kind: RecordState, Path: p.file(engine.DocumentFile), Detail: detail})
}

// rebuildDocument makes the document again from the history. Keys of other
// programs and of later releases stay if the old document can be read.
func (p *plan) rebuildDocument(detail string) {
	p.state = p.check.replayed(p.check.log.Last())
	if d := p.check.doc; d != nil {
		p.state.Head = d.Head
		if d.Mark != nil {
			p.state.Others = d.Mark.Others
		}
		p.state.SetFacts(p.state.Facts)
	}
	p.replace(Action{Kind: RebuildDocument, Path: p.file(engine.DocumentFile), Detail: detail})
}

// recoverTrees lists versions again whose events were lost, if their trees
// match their manifests.
func (p *plan) recoverTrees(ctx context.Context) error {
	s := p.final()
	for _, it := range p.check.items {
		if it.Kind != driver.ItemTree || s != nil && (s.Get(it.Version) != nil || s.WasRemoved(it.Version)) {
			continue
		}
		im, err := p.fromTree(ctx, it.Version)
		if errors.Is(err, artifact.ErrBad) && !diskFailed(err) {
			if p.rewriteLog {
				p.state.Remove(it.Version) // it may have been a version: its number is not given out again
			}
			continue // the tree was never completed, or was changed
		}
		if err != nil {
			return err
		}
		a := Action{Kind: RecoverVersion, Version: it.Version, Path: it.Path, Detail: "in development, from its manifest"}
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

// final returns the state that the model will have, without the recovered
// versions.
func (p *plan) final() *index.State {
	switch {
	case p.state != nil:
		return p.state
	case p.check.State != nil:
		return p.check.State.State
	}
	return nil
}

// clear decides about other files in the model's folder.
func (p *plan) clear(ctx context.Context) {
	recovers := map[string]bool{}
	for _, im := range p.recovered {
		recovers[im.Version] = true
	}
	for _, it := range p.check.items {
		switch s := p.final(); {
		case it.Kind == driver.ItemTorn && (p.rewriteLog || len(p.appended) > 0): // the rewrite or the append removes it
		case removable(it.Kind):
			p.remove = append(p.remove, it)
			p.replace(Action{Kind: RemoveDebris, Path: it.Path})
		case it.Kind == driver.ItemTree && (len(p.check.log.Lines) > 0 || p.rewriteLog) && s != nil && s.Get(it.Version) == nil && !p.check.deleted(it.Version) && !recovers[it.Version]:
			p.aside = append(p.aside, it.Version)
			p.replace(Action{Kind: PutAside, Version: it.Version, Path: it.Path, Detail: "no event names it"})
		case it.Kind == driver.ItemBare && s != nil && !p.check.isNone() && s.Get(it.Version) == nil && !p.check.deleted(it.Version) && p.abandoned(ctx, it.Version):
			p.aside = append(p.aside, it.Version)
			p.replace(Action{Kind: PutAside, Version: it.Version, Path: it.Path, Detail: "another program left it without an entry"})
		}
	}
}

// abandonedAfter is how long the files that another program left without an
// entry must be unchanged before a repair puts them aside. Until then, that
// program may still be saving them.
const abandonedAfter = time.Hour

func (p *plan) abandoned(ctx context.Context, version string) bool {
	tree, err := p.Model.Store().OpenTree(ctx, p.Model.Name.UseCase, p.Model.Name.Model, version)
	if err != nil {
		return false
	}
	defer tree.Close()
	files, err := artifact.List(ctx, tree.Path())
	return err == nil && time.Since(files.Newest) > abandonedAfter
}

// replacement returns the files that the store has to put in place.
func (p *plan) replacement(o Options) (*driver.Replacement, error) {
	r := &driver.Replacement{Aside: p.aside, Remove: p.remove}
	if p.restoreLog {
		r.Log = p.check.originalLog
	}
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
	r.Document, r.Note = p.state.Document(p.state.Offset).Bytes(), p.state.DocumentNote()
	return r, nil
}
