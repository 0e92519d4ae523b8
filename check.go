package modelregistry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A modelCheck is the result of reading all bytes of a model without trusting
// any. Verify reports the problems in it; Repair repairs them.
type modelCheck struct {
	lines  []logLine
	end    int64    // the position behind the last line
	damage []damage // of the history, in order

	doc    *document.Document // nil if there is none, or it can't be read
	docErr error              // a *CorruptError
	hasDoc bool

	state *state // as readers find it, nil if they can't
	err   error  // why they can't

	items []driver.Item // what lies beside log and document, if the store can tell
}

// A logLine is one line of a history that can be read as an event.
type logLine struct {
	*index.Event
	at  int64
	raw []byte // without its end
}

// A damage is a place where a history can't be right.
type damage struct {
	at      int64
	event   int64 // the event that should stand there
	dropped bool  // the line can't be read, or belongs elsewhere
	err     error
}

// check reads a model without its cached state.
func (m *model) check(ctx context.Context, v driver.View) (*modelCheck, error) {
	x := &modelCheck{}
	var corrupt *CorruptError
	log, end, err := m.readLog(v, 0)
	if err != nil && !errors.As(err, &corrupt) {
		return nil, err
	}
	x.end = end
	x.readLog(log)
	switch { // what a store could read of a damaged log shows where it is
	case err == nil:
	case len(x.damage) > 0:
		x.damage[0].err = corrupt.Err
	default:
		x.damage = append(x.damage, damage{end, x.last() + 1, true, corrupt.Err})
	}
	if x.doc, x.hasDoc, err = m.readDocument(v); errors.As(err, &corrupt) {
		x.docErr = err
	} else if err != nil {
		return nil, err
	}
	if x.doc != nil {
		if damage := index.FromDocument(m.name.UseCase, m.name.Model, x.doc).Damage; damage != nil {
			x.doc, x.docErr = nil, m.corrupt(documentFile, 0, damage)
		}
	}
	if x.strange() {
		x.doc, x.docErr = nil, m.corrupt(documentFile, 0, errStrange)
	}
	fresh := &model{r: m.r, name: m.name}
	if x.err = fresh.loadSettled(ctx, v); x.err == nil {
		x.state = fresh.state
	}
	if s, ok := m.r.store.(driver.Inspector); ok {
		for it, err := range s.Inspect(ctx, m.name.UseCase, m.name.Model) {
			if err != nil {
				return nil, err
			}
			x.items = append(x.items, it)
		}
	}
	return x, ctx.Err()
}

// checkQuietly checks a model. It checks again under the model's lock if a
// problem could be a change under way. If the store can't be locked, the first
// result stands, because no process can change the store either.
func (m *model) checkQuietly(ctx context.Context) (x *modelCheck, err error) {
	look := func(v driver.View) (err error) {
		x, err = m.check(ctx, v)
		return err
	}
	if err := m.r.store.Read(ctx, m.name.UseCase, m.name.Model, look); err != nil {
		return nil, err
	}
	if x.mayBeUnderWay(m.name) {
		seen := x
		_, err := m.r.store.Append(ctx, m.name.UseCase, m.name.Model, func(v driver.View) (*driver.Commit, error) { return nil, look(v) })
		if err != nil || x == nil {
			x = seen
		}
	}
	return x, ctx.Err()
}

// readLog keeps the lines that are events and go up in number, and notes the
// places where something is wrong.
func (x *modelCheck) readLog(log []byte) {
	last, hash := int64(0), ""
	for at := int64(0); at < int64(len(log)); {
		n := bytes.IndexByte(log[at:], '\n')
		line := bytes.TrimRight(log[at:at+int64(n)], " ")
		e, err := index.DecodeEvent(line)
		edited := errors.Is(err, index.ErrChecksum)
		switch {
		case err != nil && !edited:
			x.damage = append(x.damage, damage{at, last + 1, true, err})
		case e.Number <= last:
			x.damage = append(x.damage, damage{at, last + 1, true, fmt.Errorf("event %d stands behind event %d", e.Number, last)})
		default:
			switch {
			case edited:
				x.damage = append(x.damage, damage{at, e.Number, false, err})
			case x.noted(last + 1), x.noted(last): // noted, and why this line does not fit
			case e.Number != last+1 && !e.Skips():
				x.damage = append(x.damage, damage{at, last + 1, false, fmt.Errorf("event %d is missing", last+1)})
			case e.Prev != hash:
				x.damage = append(x.damage, damage{at, last + 1, false, fmt.Errorf("event %d does not follow the one before it", e.Number)})
			}
			last, hash = e.Number, e.Hash
			x.lines = append(x.lines, logLine{e, at, line})
		}
		at += int64(n) + 1
	}
}

// noted reports whether damage at an event is noted already.
func (x *modelCheck) noted(event int64) bool {
	return len(x.damage) > 0 && x.damage[len(x.damage)-1].event == event
}

func (x *modelCheck) events() []*index.Event {
	list := make([]*index.Event, len(x.lines))
	for i, l := range x.lines {
		list[i] = l.Event
	}
	return list
}

func (x *modelCheck) last() int64 {
	if len(x.lines) == 0 {
		return 0
	}
	return x.lines[len(x.lines)-1].Number
}

// owns reports whether the document is ours, untouched by others.
func (x *modelCheck) owns() bool { return x.doc != nil && x.doc.Mark != nil && x.doc.Intact }

// changed reports whether another program or an editor changed the document,
// and no event records it yet.
func (x *modelCheck) changed() bool {
	return !x.owns() || x.state != nil && x.state.Pending != nil && x.state.Pending.Op == index.OpForeign
}

// facts returns the facts of the model, as far as they can be read.
func (x *modelCheck) facts() (f index.Facts) {
	if x.state != nil {
		return x.state.Facts
	}
	at := int64(0)
	for _, l := range x.lines {
		if l.Model != nil {
			f, at = index.ReadFacts(l.Model), l.Number
		}
	}
	if x.doc != nil && x.doc.Mark != nil && x.doc.Mark.Model != nil && x.doc.Mark.Event >= at {
		f = index.ReadFacts(x.doc.Mark.Model)
	}
	return f
}

// stands reports whether the history has the event of our document. If the line
// of that event is damaged, the digest in the next line decides.
func (x *modelCheck) stands() bool {
	for _, l := range x.lines {
		if l.Number == x.doc.Mark.Event && l.Hash == x.doc.Mark.Hash || l.Prev == x.doc.Mark.Hash {
			return true
		}
	}
	return false
}

// strange reports whether the document is one of ours, and of another history
// than this, which is sound.
func (x *modelCheck) strange() bool {
	return x.owns() && len(x.damage) == 0 && !x.stands() &&
		slices.ContainsFunc(x.lines, func(l logLine) bool { return l.Number == x.doc.Mark.Event })
}

// superseded reports whether a new history was begun after the document was
// written, and the document was not rewritten since.
func (x *modelCheck) superseded() bool {
	return slices.ContainsFunc(x.lines, func(l logLine) bool { return l.Reset && l.Number > x.doc.Mark.Event })
}

// lost reports whether the document has events that the history lacks.
func (x *modelCheck) lost() bool {
	switch {
	case x.doc == nil || x.doc.Mark == nil || x.superseded():
		return false
	case x.doc.Intact:
		return !x.stands()
	}
	return x.doc.Mark.Event > x.last()
}

// hasTrees reports whether there are files of versions that the registry made.
func (x *modelCheck) hasTrees() bool {
	return slices.ContainsFunc(x.items, func(it driver.Item) bool { return it.Kind == driver.ItemTree })
}

// indexLost reports whether history and document are missing while versions of
// the registry are there. Versions beside an empty history are the remains of a
// first change that did not happen.
func (x *modelCheck) indexLost() bool {
	begun := slices.ContainsFunc(x.items, func(it driver.Item) bool { return it.Kind == driver.ItemBegun })
	return x.isNone() && x.hasTrees() && !begun
}

// isNone reports whether there is no model: neither a history nor a document.
func (x *modelCheck) isNone() bool {
	return len(x.lines) == 0 && len(x.damage) == 0 && !x.hasDoc
}

// replayed returns the state after the events up to a number. After all events,
// its position is the end of the log.
func (x *modelCheck) replayed(name ModelName, upTo int64) *index.State {
	s := index.New(name.UseCase, name.Model)
	for _, l := range x.lines {
		if l.Number <= upTo {
			s.Apply(l.Event, x.end)
		}
	}
	return s
}

// documentDiffers describes where our document differs from the state that the
// history makes, or returns "".
func (x *modelCheck) documentDiffers(name ModelName) string {
	if !x.stands() && x.superseded() {
		return ""
	}
	return index.FromDocument(name.UseCase, name.Model, x.doc).Differs(x.replayed(name, x.doc.Mark.Event))
}

// foreign describes what another program changed in the entries of the
// document, or returns "".
func (x *modelCheck) foreign(name ModelName) string {
	if x.state == nil || x.state.Pending == nil {
		return ""
	}
	before := x.replayed(name, x.last())
	var list []string
	if x.state.Pending.Model != nil {
		list = append(list, fmt.Sprintf("%s: %s", index.GatesKey, x.state.Facts.Get(index.GatesKey)))
	}
	for _, im := range x.state.Pending.After {
		if old := before.Get(im.Version); old != nil {
			list = append(list, im.Version+": "+some(changedKeys(old.Raw, im.Raw, ""), ", "))
		} else {
			list = append(list, im.Version+": added")
		}
	}
	for _, version := range x.state.Pending.Removed {
		list = append(list, version+": removed")
	}
	return some(list, "; ")
}

// An eventDoubt is a doubt, and the event that has it: 0 for none yet.
type eventDoubt struct {
	Doubt
	event int64
}

// doubts returns the doubts about external changes, without those about
// versions that were changed since.
func (x *modelCheck) doubts() (list []eventDoubt) {
	take := func(e *index.Event, number int64) {
		list = slices.DeleteFunc(list, func(d eventDoubt) bool {
			return slices.ContainsFunc(e.After, func(im index.Image) bool { return im.Version == d.Version }) || slices.Contains(e.Removed, d.Version)
		})
		for _, d := range publicDoubts(e.Doubts) {
			list = append(list, eventDoubt{d, number})
		}
	}
	for _, l := range x.lines {
		take(l.Event, l.Number)
	}
	if s := x.state; s != nil && s.Pending != nil {
		take(s.Pending, 0)
	}
	return list
}

// changedKeys returns the keys whose values differ between two objects, with
// those of objects in them as "metrics.auc".
func changedKeys(before, after []byte, prefix string) (keys []string) {
	was, err1 := pyjson.Object(before)
	is, err2 := pyjson.Object(after)
	if err1 != nil || err2 != nil {
		return []string{"the whole entry"}
	}
	left := map[string][]byte{}
	for _, m := range was {
		left[m.Key] = m.Value
	}
	for _, m := range is {
		old := left[m.Key]
		delete(left, m.Key)
		switch {
		case old != nil && pyjson.Equal(old, m.Value):
		case prefix == "" && old != nil && old[0] == '{' && m.Value[0] == '{':
			keys = append(keys, changedKeys(old, m.Value, m.Key+".")...)
		default:
			keys = append(keys, prefix+m.Key)
		}
	}
	for _, m := range was {
		if _, gone := left[m.Key]; gone {
			keys = append(keys, prefix+m.Key)
		}
	}
	return keys
}

// some joins the first few items of a list, and says how many more there are.
func some(list []string, separator string) string {
	const shown = 5
	if more := len(list) - shown; more > 0 {
		list = append(list[:shown:shown], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, separator)
}
