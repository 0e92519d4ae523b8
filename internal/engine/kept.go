package engine

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// kept bounds the states of models that an engine keeps in memory, by the sizes
// of their documents. Above the bound it drops the states that were used least
// recently. The next use of such a model reads it from the start. kept drops no
// state that is in use, and not the one that was read last.
type kept struct {
	bound int64
	clock atomic.Int64 // advances with every call of note

	mu    sync.Mutex // taken under a model's lock; under it, the locks of other models are only tried
	sizes map[*Model]int64
	total int64
}

// used notes that a model's state was used. The caller holds the model's lock,
// at least for reading. Uses between two calls of note are of the same age, so
// that readers of one model do not write to the same memory each time.
func (k *kept) used(m *Model) {
	if now := k.clock.Load(); m.lastUse.Load() != now {
		m.lastUse.Store(now)
	}
}

// note notes that a model's state was read, changed or dropped, and drops other
// states if there are too many. The caller holds the model's lock.
func (k *kept) note(m *Model) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m.lastUse.Store(k.clock.Add(1))
	if m.state == nil {
		k.set(m, 0)
		return
	}
	k.set(m, m.state.Size)
	if k.total > k.bound {
		k.dropOthers(m)
	}
}

// set notes the size of a model's state. The caller holds k.mu.
func (k *kept) set(m *Model, size int64) {
	k.total += size - k.sizes[m]
	if size == 0 {
		delete(k.sizes, m)
		return
	}
	k.sizes[m] = size
}

// dropOthers drops the states of other models than m, the one that was used
// least recently first, until all that are left are within the bound. The
// caller holds k.mu.
func (k *kept) dropOthers(m *Model) {
	type use struct {
		m  *Model
		at int64
	}
	uses := make([]use, 0, len(k.sizes))
	for other := range k.sizes {
		if other != m {
			uses = append(uses, use{other, other.lastUse.Load()})
		}
	}
	slices.SortFunc(uses, func(a, b use) int { return cmp.Compare(a.at, b.at) })
	for _, u := range uses {
		if k.total <= k.bound {
			return
		}
		if u.m.drop() {
			k.set(u.m, 0)
		}
	}
}

// drop drops the state unless it is in use: a goroutine holds the model's lock,
// or an append is under way.
func (m *Model) drop() bool {
	if !m.mu.TryLock() {
		return false
	}
	defer m.mu.Unlock()
	if m.commits.Load() > 0 {
		return false
	}
	m.state = nil
	m.dropped()
	return true
}
