package index

import (
	"slices"
	"time"
)

// PreviousProduction returns the version that a rollback without a version
// restores. It reports false if there is none.
func (t *Txn) PreviousProduction() (version string, ok bool) {
	t.noteProductions()
	list, now := t.productions, t.Production()
	for i := len(list) - 1; i >= 0; i-- {
		e := t.Get(list[i])
		if e == nil || e == now || t.reused(e) && e.productionAt().IsZero() {
			continue
		}
		return list[i], true
	}
	return "", false
}

// reused reports whether a version of another program has the number of one
// that was deleted.
func (t *Txn) reused(e *Entry) bool {
	pending := t.Base.Pending
	return t.stone(e.Version) != nil || pending != nil && slices.Contains(pending.Reused, e.Version)
}

// noteProductions brings the list of production versions up to the events so
// far.
func (t *Txn) noteProductions() {
	for _, e := range t.Events[t.noted:] {
		if p := e.enters(Production); p != "" {
			t.productions = after(t.productions, e.Op, p)
		}
	}
	t.noted = len(t.Events)
}

// LastProduction returns the version that is in production, or that was there
// last. It returns "" if none ever was. Its entry is nil if it was deleted.
//
// Another program may have moved a version into production and out again
// between two looks at its changes, or before the first one. Only the time in
// that version's entry shows it.
func (t *Txn) LastProduction() (version string, e *Entry) {
	if p := t.Production(); p != nil {
		return p.Version, p
	}
	t.noteProductions()
	var since time.Time
	if n := len(t.productions); n > 0 {
		version = t.productions[n-1]
		if e = t.Get(version); e == nil {
			return version, nil
		}
		if since = e.productionAt(); since.IsZero() {
			return version, nil // another version with the number of a deleted one
		}
	}
	for other := range t.Entries() {
		if at := other.productionAt(); at.After(since) && !slices.Contains(t.productions, other.Version) {
			version, e, since = other.Version, other, at
		}
	}
	return version, e
}

// productionAt returns the time at which the version last entered production,
// as its entry has it, or the zero time.
func (e *Entry) productionAt() time.Time { return ReadFields(e.Version, e.Raw).PromotedToProduction }

// enters returns the version that the event puts into a stage.
func (e *Event) enters(stage string) string {
	if e.To == stage && !e.Refused {
		return e.Version
	}
	return ""
}
