// Package check verifies and repairs one model. It reads all bytes of the model
// without trusting any, reports what is wrong, and plans and makes a repair. It
// must not know gates, or versions as callers see them.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Check is the result of reading all bytes of a model.
type Check struct {
	Name  driver.Name
	State *engine.State // as readers find it, nil if they can't

	log    *index.Log
	end    int64              // the position after the last line
	doc    *document.Document // nil if there is none, or it can't be read
	docErr error              // a *driver.CorruptError
	hasDoc bool

	// If a program rewrote a file as text: the log before that, and what the
	// program did to the document. doc is the document before that.
	originalLog  []byte
	docRewritten error

	err   error         // why readers find no state
	cause string        // the usual cause of a lost history, as the end of a message; "" if the store knows none
	items []driver.Item // the other files of the model, if the store is a driver.Inspector

	documentDiffers func() string // where our document differs from the state that the history makes, or ""
}

// A problem may be a change in progress, and the lock may be out of reach: the
// user may not write, or the file system is read-only. Then the model is read
// again every lookEvery, until two looks agree. They may never agree beside a
// busy writer, so the last of maxLooks counts.
const (
	lookEvery = 100 * time.Millisecond
	maxLooks  = 20
)

// Read checks a model. If a problem could be a change in progress, Read checks
// again under the model's lock, or until two looks agree.
func Read(ctx context.Context, m *engine.Model) (*Check, error) {
	x, err := look(ctx, m)
	if err != nil || !x.mayBeUnderWay() {
		return x, err
	}
	var held *Check
	_, err = m.Store().Append(ctx, m.Name.UseCase, m.Name.Model, func(v driver.View) (_ *driver.Commit, err error) {
		held, err = read(ctx, m, v)
		return nil, err
	})
	if err == nil {
		return held, ctx.Err()
	}
	return untilStable(ctx, m, x)
}

// untilStable looks at a model without its lock until a look has no problem
// that could be a change in progress, or has the same findings as the look
// before.
func untilStable(ctx context.Context, m *engine.Model, x *Check) (*Check, error) {
	for range maxLooks {
		timer := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		now, err := look(ctx, m)
		if err != nil || !now.mayBeUnderWay() || now.agrees(x) {
			return now, err
		}
		x = now
	}
	return x, nil
}

// look checks a model without its lock.
func look(ctx context.Context, m *engine.Model) (x *Check, err error) {
	err = m.Store().Read(ctx, m.Name.UseCase, m.Name.Model, func(v driver.View) (err error) {
		x, err = read(ctx, m, v)
		return err
	})
	return x, err
}

// agrees reports whether two checks have the same findings and no change came
// in between.
func (x *Check) agrees(y *Check) bool {
	return x.end == y.end && slices.EqualFunc(x.Findings(), y.Findings(), func(a, b Finding) bool {
		same := fmt.Sprint(a.Err) == fmt.Sprint(b.Err)
		a.Err, b.Err = nil, nil
		return same && a == b
	})
}

// read checks what a view shows of a model. It reads the document first, so
// that the log has the document's event.
func read(ctx context.Context, m *engine.Model, v driver.View) (*Check, error) {
	x, r := &Check{Name: m.Name}, engine.Reader{View: v, Name: m.Name}
	x.documentDiffers = sync.OnceValue(x.compareDocument)
	doc, hasDoc, docErr := r.ReadDocument()
	log, end, logErr := r.ReadLog(0)
	x.doc, x.hasDoc, x.end = doc, hasDoc, end

	if err := x.decodeLog(log, logErr); err != nil {
		return nil, err
	}
	if err := x.checkDocument(r, docErr); err != nil {
		return nil, err
	}
	x.State, x.err = m.Load(ctx, v)
	if s, ok := m.Store().(driver.LossExplainer); ok {
		x.cause = ": " + s.LossCause()
	}
	if err := x.list(ctx, m); err != nil {
		return nil, err
	}
	return x, ctx.Err()
}

// list lists the other files of the model, if the store can.
func (x *Check) list(ctx context.Context, m *engine.Model) error {
	s, ok := m.Store().(driver.Inspector)
	if !ok {
		return nil
	}
	for it, err := range s.Inspect(ctx, m.Name.UseCase, m.Name.Model) {
		if err != nil {
			return err
		}
		x.items = append(x.items, it)
	}
	return nil
}

// decodeLog decodes the log. err is the error of reading it; if the log is
// damaged, the part of it that the store could read shows where.
func (x *Check) decodeLog(log []byte, err error) error {
	var corrupt *driver.CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return err
	}
	x.log = index.ReadLog(log)
	switch {
	case err == nil && len(x.log.Lines) > 0 && x.log.Rewritten():
		if was := index.OriginalLog(log); len(index.ReadLog(was).Damage) == 0 {
			x.originalLog = was
		}
	case err == nil:
	case len(x.log.Damage) > 0:
		x.log.Damage[0].Err = corrupt.Err
	default:
		x.log.Damage = []index.LogDamage{{At: x.end, Event: x.log.Last() + 1, Dropped: true, Err: corrupt.Err}}
	}
	return nil
}

// checkDocument drops the document if it is damaged or belongs to another log,
// and keeps the reason in docErr. err is the error of reading it.
func (x *Check) checkDocument(r engine.Reader, err error) error {
	var corrupt *driver.CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return err
	}
	x.docErr = err
	if !x.owns() {
		x.useOriginalDocument(r)
	}
	drop := func(cause error) {
		x.doc, x.docErr, x.docRewritten = nil, r.Corrupt(engine.DocumentFile, 0, cause), nil
	}
	if x.doc == nil {
		return nil
	}
	if wrong := index.CheckSizes(x.doc); wrong != nil {
		drop(wrong)
	} else if damage := index.FromDocument(x.Name.UseCase, x.Name.Model, x.doc).Damage; damage != nil {
		drop(damage)
	} else if x.owns() && x.log.Contradicts(x.doc.Mark) {
		drop(engine.ErrContradiction)
	}
	return nil
}

// useOriginalDocument takes the document as we wrote it, if another program
// rewrote it as text.
func (x *Check) useOriginalDocument(r engine.Reader) {
	data, exists, err := r.Document()
	if err != nil || !exists {
		return
	}
	original, was := index.Original(data)
	if was == nil {
		return
	}
	d, err := document.Parse(original)
	if err != nil || d.Mark == nil || !d.Intact {
		return
	}
	x.doc, x.docRewritten = d, was
	if x.docErr != nil {
		x.docErr = r.Corrupt(engine.DocumentFile, 0, was)
	}
}

// mayBeUnderWay reports whether a problem could be a change under way: log,
// document and files are not read at one moment.
func (x *Check) mayBeUnderWay() bool {
	if len(x.log.Damage) > 0 || x.docErr != nil || x.docRewritten != nil || x.err != nil || x.hasDoc != (len(x.log.Lines) > 0) ||
		x.lost() || x.hasDoc && !x.owns() || x.owns() && x.documentDiffers() != "" {
		return true
	}
	for _, it := range x.items {
		if it.Kind == driver.ItemTorn || it.Kind == driver.ItemTemp || it.Kind == driver.ItemTree && x.unlisted(it) {
			return true
		}
	}
	return false
}

// unlisted reports whether readers do not see a version for a tree, and it is
// not one that was deleted and is not purged.
func (x *Check) unlisted(it driver.Item) bool {
	return x.State == nil || x.State.Get(it.Version) == nil && !x.deleted(it.Version)
}

// deleted reports whether a version was deleted, so that its tree is kept until
// it is purged.
func (x *Check) deleted(version string) bool {
	if x.State == nil {
		return false
	}
	_, ok := x.State.Deletion(version)
	return ok
}

// purged reports whether an item is what a purge gave up and did not remove.
func (x *Check) purged(it driver.Item) bool {
	if x.State == nil || it.Kind != driver.ItemTree && it.Kind != driver.ItemBare {
		return false
	}
	d, ok := x.State.Deletion(it.Version)
	return ok && !d.Purged.IsZero()
}

// owns reports whether the document is ours, untouched by others.
func (x *Check) owns() bool { return x.doc != nil && x.doc.Mark != nil && x.doc.Intact }

// changed reports whether another program or an editor changed the document,
// and no event records it yet.
func (x *Check) changed() bool {
	return !x.owns() || x.State != nil && x.State.Pending != nil && x.State.Pending.Op == index.OpForeign
}

// Facts returns the facts of the model, as far as they can be read.
func (x *Check) Facts() (f index.Facts) {
	if x.State != nil {
		return x.State.Facts
	}
	at := int64(0)
	for _, l := range x.log.Lines {
		if l.Model != nil {
			f, at = index.ReadFacts(l.Model), l.Number
		}
	}
	if x.doc != nil && x.doc.Mark != nil && x.doc.Mark.Model != nil && x.doc.Mark.Event >= at {
		f = index.ReadFacts(x.doc.Mark.Model)
	}
	return f
}

// lost reports whether the document has events that the history lacks.
func (x *Check) lost() bool {
	switch {
	case x.doc == nil || x.doc.Mark == nil || x.log.Supersedes(x.doc.Mark):
		return false
	case x.doc.Intact:
		return !x.log.Has(x.doc.Mark)
	}
	return x.doc.Mark.Event > x.log.Last()
}

// hasTrees reports whether there are files of versions that the registry made.
func (x *Check) hasTrees() bool {
	return slices.ContainsFunc(x.items, func(it driver.Item) bool { return it.Kind == driver.ItemTree })
}

// indexLost reports whether history and document are missing while versions of
// the registry are there. Versions beside an empty history are the remains of a
// first change that did not happen.
func (x *Check) indexLost() bool {
	begun := slices.ContainsFunc(x.items, func(it driver.Item) bool { return it.Kind == driver.ItemBegun })
	return x.isNone() && x.hasTrees() && !begun
}

// isNone reports whether there is no model: neither a history nor a document.
func (x *Check) isNone() bool {
	return len(x.log.Lines) == 0 && len(x.log.Damage) == 0 && !x.hasDoc
}

// replayed returns the state after the events up to a number. After all events,
// its position is the end of the log.
func (x *Check) replayed(upTo int64) *index.State {
	s := index.New(x.Name.UseCase, x.Name.Model)
	for _, l := range x.log.Lines {
		if l.Number <= upTo {
			s.Apply(l.Event, x.end)
		}
	}
	return s
}

// compareDocument describes where our document differs from the state that the
// history makes, or returns "".
func (x *Check) compareDocument() string {
	if !x.log.Has(x.doc.Mark) && x.log.Supersedes(x.doc.Mark) {
		return ""
	}
	return index.FromDocument(x.Name.UseCase, x.Name.Model, x.doc).Differs(x.replayed(x.doc.Mark.Event))
}
