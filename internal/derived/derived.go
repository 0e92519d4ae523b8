// Package derived keeps what readers computed from the state of a model, until
// the state changes: every version as callers see it, and the highest version
// of each range. It must not know what a version is to callers.
package derived

import (
	"sync"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Cache has what was computed from one model's state. V is a version as
// callers see it. The zero Cache is empty.
//
// A Cache is safe for concurrent use. The caller holds the model's lock, so the
// state does not change meanwhile. Readers share that lock, so a Cache has its
// own.
type Cache[V any] struct {
	mu sync.RWMutex

	entries  []*index.Entry // of the state, as versions was computed from them
	facts    index.Facts    // of the state, as well
	versions []V            // one for each entry

	state      *index.State            // highest was computed from it
	generation int64                   // of the state
	highest    map[string]*index.Entry // by range
}

// maxRanges bounds how many ranges are kept for one model.
const maxRanges = 100

// Drop empties the cache, because the state was dropped to save memory.
func (c *Cache[V]) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries, c.facts, c.versions = nil, index.Facts{}, nil
	c.state, c.highest = nil, nil
}

// Versions returns every version as callers see it, the one registered last
// first. After a change it computes those versions again that changed: an entry
// never changes, so another entry takes its place. If an alias changed, these
// are the versions that it named before and names now. If the model's gates
// changed, all are.
func (c *Cache[V]) Versions(s *index.State, view func(*index.Entry) V) []V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.Facts.SameGates(c.facts) {
		c.entries, c.versions = nil, nil
	}
	named := s.Facts.NamedOtherwise(c.facts)
	c.facts = s.Facts
	for i, e := range s.Entries {
		switch {
		case i == len(c.entries):
			c.entries, c.versions = append(c.entries, e), append(c.versions, view(e))
		case c.entries[i] != e, named[e.Version],
			e.Stage == index.Production: // how it is seen depends on others in production
			c.entries[i], c.versions[i] = e, view(e)
		}
	}
	c.entries, c.versions = cut(c.entries, len(s.Entries)), cut(c.versions, len(s.Entries))
	list := make([]V, len(c.versions))
	for i := range list {
		list[len(list)-1-i] = c.versions[i]
	}
	return list
}

// cut shortens a list, and keeps nothing of what it cuts off in memory.
func cut[T any](list []T, n int) []T {
	clear(list[n:])
	return list[:n]
}

// Highest returns what compute returned for a range in the present state: the
// highest version, or nil if none matches. An error of compute is not kept.
func (c *Cache[V]) Highest(s *index.State, text string, compute func() (*index.Entry, error)) (*index.Entry, error) {
	if best, known := c.known(s, text); known {
		return best, nil
	}
	best, err := compute()
	if err == nil {
		c.keep(s, text, best)
	}
	return best, err
}

func (c *Cache[V]) known(s *index.State, text string) (best *index.Entry, known bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.state == s && c.generation == s.Generation {
		best, known = c.highest[text]
	}
	return best, known
}

func (c *Cache[V]) keep(s *index.State, text string, best *index.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != s || c.generation != s.Generation {
		c.state, c.generation, c.highest = s, s.Generation, map[string]*index.Entry{}
	}
	if len(c.highest) >= maxRanges {
		clear(c.highest)
	}
	c.highest[text] = best
}
