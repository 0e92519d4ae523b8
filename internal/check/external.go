package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// externalChanges describes what another program changed in the document, or
// returns "".
func (x *Check) externalChanges() string {
	if x.State == nil || x.State.Pending == nil {
		return ""
	}
	before := x.replayed(x.log.Last())
	var list []string
	if x.State.Pending.Model != nil {
		list = append(list, fmt.Sprintf("%s: %s", index.GatesKey, x.State.Facts.Get(index.GatesKey)))
	}
	for _, im := range x.State.Pending.After {
		if old := before.Get(im.Version); old != nil {
			list = append(list, im.Version+": "+some(changedKeys(old.Raw, im.Raw, ""), ", ")+x.beside(old, im.Version))
		} else {
			list = append(list, im.Version+": added"+x.beside(nil, im.Version))
		}
	}
	for _, version := range x.State.Pending.Removed {
		list = append(list, version+": removed")
	}
	return some(list, "; ")
}

// beside says that an external change put a version into production beside
// others, or returns "". old is its entry before the change, or nil.
func (x *Check) beside(old *index.Entry, version string) string {
	if s := x.State; len(s.Productive) < 2 || !s.Productive[version] || old != nil && old.Stage == index.Production {
		return ""
	}
	var others []string
	for v := range x.State.Productive {
		if v != version {
			others = append(others, v)
		}
	}
	slices.SortFunc(others, index.CompareVersions)
	return " (now in production beside " + some(others, " and ") + ")"
}

// An eventDoubt is a doubt, and the event that has it: 0 for none yet.
type eventDoubt struct {
	index.Doubt
	event int64
}

// doubts returns the doubts about external changes, except those about versions
// that changed later.
func (x *Check) doubts() (list []eventDoubt) {
	changed := map[string]int{} // which event changed a version last, counted from 1
	var from []int              // the events that have the doubts of the list
	events := 0
	take := func(e *index.Event, number int64) {
		events++
		for _, im := range e.After {
			changed[im.Version] = events
		}
		for _, version := range e.Removed {
			changed[version] = events
		}
		for _, d := range e.Doubts {
			list, from = append(list, eventDoubt{d, number}), append(from, events)
		}
	}
	for _, l := range x.log.Lines {
		take(l.Event, l.Number)
	}
	if s := x.State; s != nil && s.Pending != nil {
		take(s.Pending, 0)
	}
	stand := list[:0]
	for i, d := range list {
		if changed[d.Version] <= from[i] {
			stand = append(stand, d)
		}
	}
	return stand
}

// changedKeys returns the keys whose values differ between two objects. It
// names a key of a nested object like "metrics.auc".
func changedKeys(before, after []byte, prefix string) (keys []string) {
	was, err1 := pyjson.Object(before)
	is, err2 := pyjson.Object(after)
	if err1 != nil || err2 != nil {
		return []string{"the whole entry"}
	}
	remaining := map[string][]byte{}
	for _, m := range was {
		remaining[m.Key] = m.Value
	}
	for _, m := range is {
		old := remaining[m.Key]
		delete(remaining, m.Key)
		switch {
		case old != nil && pyjson.Same(old, m.Value):
		case prefix == "" && old != nil && old[0] == '{' && m.Value[0] == '{':
			keys = append(keys, changedKeys(old, m.Value, m.Key+".")...)
		default:
			keys = append(keys, prefix+m.Key)
		}
	}
	for _, m := range was {
		if _, removed := remaining[m.Key]; removed {
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
