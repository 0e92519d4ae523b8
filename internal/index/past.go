package index

import (
	"bytes"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A past is what a history says about each version.
type past struct {
	base  base
	lives map[string]*life
	then  map[string][]byte // the entries at the base, if the base is known
	facts Facts             // about the model at the base
}

// A life is what the history says about one version number.
type life struct {
	entries [][]byte // all entries of the version with that number, in order
	buried  [][]byte // when earlier versions with that number were registered
}

// newPast reads events, given the base of an external change.
func newPast(events []*Event, b base) *past {
	p := &past{base: b, lives: map[string]*life{}, then: map[string][]byte{}}
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
		for version := range p.lives {
			if !stays[version] {
				p.end(version, e.Number)
			}
		}
	}
	for _, version := range e.Removed {
		p.end(version, e.Number)
	}
	for _, im := range e.After {
		l := p.lives[im.Version]
		if l == nil {
			l = &life{}
			p.lives[im.Version] = l
		}
		l.entries = append(l.entries, im.Raw)
		if e.Number <= p.base.event {
			p.then[im.Version] = im.Raw
		}
	}
}

// end records that a version is no longer listed.
func (p *past) end(version string, event int64) {
	if event <= p.base.event {
		delete(p.then, version)
	}
	l := p.lives[version]
	if l == nil {
		return
	}
	for _, raw := range l.entries {
		if at := registeredAt(raw); at != nil {
			l.buried = append(l.buried, at)
		}
	}
	l.entries = nil
}

// ended reports whether an entry belongs to a version that the history removed.
func (p *past) ended(version string, raw []byte) bool {
	l, at := p.lives[version], registeredAt(raw)
	if l == nil || at == nil {
		return false
	}
	for _, b := range l.buried {
		if sameTime(b, at) {
			return true
		}
	}
	return false
}

// entries returns all entries that a version had in the history.
func (p *past) entries(version string) [][]byte {
	if l := p.lives[version]; l != nil {
		return l.entries
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

// sameTime compares raw times. A value that is not a time is compared as text.
func sameTime(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err1 := parseTime(pyjson.Text(a))
	y, err2 := parseTime(pyjson.Text(b))
	return err1 == nil && err2 == nil && x.Equal(y)
}

// anotherVersion reports whether two entries of one number certainly belong to
// two versions: they were registered at different times.
func anotherVersion(a, b []byte) bool {
	x, y := registeredAt(a), registeredAt(b)
	return x != nil && y != nil && !sameTime(x, y)
}
