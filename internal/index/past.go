package index

import (
	"bytes"
	"time"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A past is what a history says about each version.
type past struct {
	base    base
	numbers map[string]*numberHistory
	atBase  map[string][]byte // the entries at the base, if the base is known
	facts   Facts             // about the model at the base
}

// A numberHistory is what the history says about one version number.
type numberHistory struct {
	entries [][]byte // all entries of the version with that number, in order
	removed [][]byte // when each removed version with that number was registered
}

// newPast reads events, given the base of an external change.
func newPast(events []*Event, b base) *past {
	p := &past{base: b, numbers: map[string]*numberHistory{}, atBase: map[string][]byte{}}
	for _, e := range events {
		p.take(e)
	}
	return p
}

func (p *past) take(e *Event) {
	if e.Model != nil && e.Number <= p.base.event {
		p.facts = ReadFacts(e.Model)
	}
	stays := map[string]bool{}
	for _, im := range e.After {
		stays[im.Version] = true
	}
	if e.Reset {
		for version := range p.numbers {
			if !stays[version] {
				p.remove(version, e.Number)
			}
		}
	}
	for _, version := range e.Removed {
		p.remove(version, e.Number)
	}
	for _, im := range e.After {
		n := p.numbers[im.Version]
		if n == nil {
			n = &numberHistory{}
			p.numbers[im.Version] = n
		}
		n.entries = append(n.entries, im.Raw)
		if e.Number <= p.base.event {
			p.atBase[im.Version] = im.Raw
		}
	}
}

// remove records that a version is no longer listed.
func (p *past) remove(version string, event int64) {
	if event <= p.base.event {
		delete(p.atBase, version)
	}
	n := p.numbers[version]
	if n == nil {
		return
	}
	for _, raw := range n.entries {
		if at := registeredAt(raw); at != nil {
			n.removed = append(n.removed, at)
		}
	}
	n.entries = nil
}

// wasRemoved reports whether an entry belongs to a version that the history
// removed.
func (p *past) wasRemoved(version string, raw []byte) bool {
	n, at := p.numbers[version], registeredAt(raw)
	if n == nil || at == nil {
		return false
	}
	for _, b := range n.removed {
		if sameTime(b, at) {
			return true
		}
	}
	return false
}

// entries returns all entries that a version had in the history.
func (p *past) entries(version string) [][]byte {
	if n := p.numbers[version]; n != nil {
		return n.entries
	}
	return nil
}

// registeredAt returns the raw time in an entry at which the version was
// registered, or nil if there is none.
func registeredAt(raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	at := Value(raw, "registered_at")
	if len(at) <= len(`""`) || at[0] != '"' {
		return nil
	}
	return at
}

// registered returns when the version was registered, as its entry says. It
// reports false if that can't be read.
func (e *Entry) registered() (at time.Time, ok bool) {
	raw := registeredAt(e.Raw)
	if raw == nil {
		return at, false
	}
	at, err := parseTime(pyjson.Text(raw))
	return at, err == nil
}

// sameTime compares raw times. A value that is not a time is compared as text.
func sameTime(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err1 := parseTime(pyjson.Text(a))
	y, err2 := parseTime(pyjson.Text(b))
	return err1 == nil && err2 == nil && x.Equal(y)
}

// differentVersions reports whether two entries of one number certainly belong
// to two versions: they were registered at different times.
func differentVersions(a, b []byte) bool {
	x, y := registeredAt(a), registeredAt(b)
	return x != nil && y != nil && !sameTime(x, y)
}
