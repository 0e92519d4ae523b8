package modelregistry

import (
	"slices"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/index"
)

// derived caches what readers computed from a model's state: the list of
// versions, and the highest version of each range. It is valid until a version
// changes. Readers share the model's lock, so derived has its own lock.
type derived struct {
	mu         sync.RWMutex
	state      *index.State // the rest was computed from it
	generation int64        // of the state
	list       []ModelVersion
	highest    map[string]*index.Entry // by range
}

// maxRanges bounds how many ranges are cached for one model.
const maxRanges = 100

// current reports whether the cache was computed from the present state s. The
// caller holds the lock.
func (d *derived) current(s *index.State) bool {
	return d.state == s && d.generation == s.Generation
}

// renew empties the cache unless it is current. The caller holds the lock.
func (d *derived) renew(s *index.State) {
	if !d.current(s) {
		d.state, d.generation, d.list, d.highest = s, s.Generation, nil, map[string]*index.Entry{}
	}
}

// list returns every version as callers see it, newest first. The list is
// shared: the caller must not change it.
func (s state) list() []ModelVersion {
	d := s.derived
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renew(s.State.State)
	if d.list != nil {
		return d.list
	}
	d.list = make([]ModelVersion, 0, len(s.Entries))
	for _, e := range slices.Backward(s.Entries) {
		d.list = append(d.list, s.view(e))
	}
	return d.list
}

// knownHighest returns the cached highest version of a range, nil if no version
// matches. known is false if the range is not in the cache.
func (s state) knownHighest(text string) (best *index.Entry, known bool) {
	d := s.derived
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.current(s.State.State) {
		best, known = d.highest[text]
	}
	return best, known
}

func (s state) keepHighest(text string, best *index.Entry) {
	d := s.derived
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renew(s.State.State)
	if len(d.highest) >= maxRanges {
		clear(d.highest)
	}
	d.highest[text] = best
}
