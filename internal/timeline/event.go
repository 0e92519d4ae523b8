package timeline

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// An Event is an event of a model's history with its changes.
type Event struct {
	*index.Event
	Changes      []Change
	ModelBefore  []byte // the facts about the model before the event, if known: an object; nil for nothing
	ModelChanged bool   // the event set the model's gates, whatever ModelBefore is
}

// A Change says how an event changed one version.
type Change struct {
	Version       string
	From, To      string   // stages; From is empty for a new version, To for a removed one
	Reused        bool     // an earlier version had the same number
	Beside        []string // the other versions that are stored as in production, if To is production
	Before, After []byte   // the raw entries, if known; Before is nil for a new version, After for a removed one
}

// A replay is a model after some of its events, as far as later events need it.
type replay struct {
	stages     map[string]string
	entries    map[string][]byte // raw
	facts      []byte            // the model's
	productive map[string]bool   // the versions whose stage is production
}

func newReplay() *replay {
	return &replay{stages: map[string]string{}, entries: map[string][]byte{}, productive: map[string]bool{}}
}

// apply applies an event, and returns it with its changes.
func (p *replay) apply(e *index.Event) Event {
	out := Event{Event: e, ModelBefore: p.facts}
	if e.Model != nil {
		p.facts = e.Model
	}
	stays, gone := map[string]bool{}, map[string]bool{}
	for _, v := range e.Removed {
		gone[v] = true
	}
	for _, im := range e.After {
		stays[im.Version] = true
		if gone[im.Version] { // the entry in After is another version with the same number
			out.Changes = append(out.Changes, p.remove(im.Version)...)
		}
		out.Changes = append(out.Changes, p.set(e, im))
	}
	removed := slices.Clone(e.Removed)
	if e.Reset {
		for v := range p.stages {
			if !stays[v] && !gone[v] {
				removed = append(removed, v)
			}
		}
		slices.SortFunc(removed, index.CompareVersions)
	}
	for _, v := range removed {
		if !stays[v] {
			out.Changes = append(out.Changes, p.remove(v)...)
		}
	}
	p.noteBeside(out.Changes)
	return out
}

// set applies the entry of a version.
func (p *replay) set(e *index.Event, im index.Image) Change {
	c := Change{Version: im.Version, From: p.stages[im.Version], To: stageOf(im), Reused: slices.Contains(e.Reused, im.Version),
		Before: p.entries[im.Version], After: im.Raw}
	p.stages[im.Version], p.entries[im.Version] = c.To, im.Raw
	if delete(p.productive, im.Version); c.To == index.Production {
		p.productive[im.Version] = true
	}
	return c
}

func stageOf(im index.Image) string { return cmp.Or(im.Stage(), index.Development) }

// remove applies the removal of a version's entry, if there is one.
func (p *replay) remove(version string) []Change {
	from, ok := p.stages[version]
	if !ok {
		return nil
	}
	before := p.entries[version]
	delete(p.stages, version)
	delete(p.entries, version)
	delete(p.productive, version)
	return []Change{{Version: version, From: from, Before: before}}
}

// noteBeside sets Beside in the changes of an event that was applied.
func (p *replay) noteBeside(changes []Change) {
	if len(p.productive) < 2 {
		return
	}
	all := slices.SortedFunc(maps.Keys(p.productive), index.CompareVersions)
	for i := range changes {
		if c := &changes[i]; c.To == index.Production {
			c.Beside = slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == c.Version })
		}
	}
}
