package index

import (
	"bytes"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A past is what a history made of each version.
type past struct {
	base  base
	lives map[string]*life
	then  map[string][]byte // the entries at the base, if that is known
	facts Facts             // of the model at the base
}

// A life is what the history made of one version number.
type life struct {
	entries [][]byte // of the version that has it, in order
	buried  [][]byte // when the versions that had it before were registered
}

// newPast returns what events made of each version, given the base of an
// external change.
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

// end notes that a version is no longer listed.
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

// ended reports whether an entry is of a version that the history removed.
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

// entries returns all that the history made of a version.
func (p *past) entries(version string) [][]byte {
	if l := p.lives[version]; l != nil {
		return l.entries
	}
	return nil
}

// RegisteredAt returns the raw time at which an entry's version was registered,
// nil if it tells none.
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

// sameTime compares raw times. What is no time is compared as text.
func sameTime(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err1 := parseTime(pyjson.Text(a))
	y, err2 := parseTime(pyjson.Text(b))
	return err1 == nil && err2 == nil && x.Equal(y)
}

// anotherVersion reports whether two entries of one number are surely of two
// versions: they were registered at different times.
func anotherVersion(a, b []byte) bool {
	x, y := registeredAt(a), registeredAt(b)
	return x != nil && y != nil && !sameTime(x, y)
}
