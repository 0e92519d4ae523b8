package modelregistry

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// A slot holds one T and counts its users, without a lock and with hardly ever two
// processors at one cache line.
//
// A user counts itself in, and then looks whether the slot is still the current one. If not, it counts
// itself out again and does not touch the T. A slot is replaced first and counted after: so whoever
// uses its T was counted before the replacement and is seen until done. Each counter is looked at by itself, because
// who counted in on one counts out on the same; one that was seen at 0 after the replacement
// will never again count a user of the T. A slot that was replaced never comes back.
type slot[T any] struct {
	value   T
	version ModelVersion
	model   *Model
	since   time.Time

	retired atomic.Bool   // who counts out rings
	bell    chan struct{} // of capacity 1
	users   [counters]counter
}

// counters is a power of two, and enough that two of the goroutines that run at one time
// rarely share one.
const counters = 1 << counterBits
const counterBits = 6

// A counter has its cache line to itself, and the neighbour that is fetched with it.
type counter struct {
	atomic.Int64
	_ [120]byte
}

func newSlot[T any]() *slot[T] { return &slot[T]{bell: make(chan struct{}, 1)} }

// pick chooses a counter by the address of the caller's stack: cheaper than any random
// number, and another one for each goroutine. Only speed depends on it.
func (s *slot[T]) pick() *counter {
	var here byte
	hash := uint64(uintptr(unsafe.Pointer(&here))) * 0x9e3779b97f4a7c15
	return &s.users[hash>>(64-counterBits)]
}

func (s *slot[T]) release(users *counter) {
	users.Add(-1)
	if s.retired.Load() {
		select {
		case s.bell <- struct{}{}:
		default: // it has rung, and is not yet heard
		}
	}
}

// wait returns when nobody uses the T of a slot that was replaced.
func (s *slot[T]) wait() {
	for i := range s.users {
		for s.users[i].Load() != 0 {
			<-s.bell
		}
	}
}

// An atomicSlot is the slot that is current, or none.
type atomicSlot[T any] struct{ p atomic.Pointer[slot[T]] }

func (a *atomicSlot[T]) acquire() (*slot[T], *counter) {
	for {
		s := a.p.Load()
		if s == nil {
			return nil, nil
		}
		users := s.pick()
		users.Add(1)
		if a.p.Load() == s {
			return s, users
		}
		s.release(users)
	}
}

// replace makes another slot current, and returns the one before, for wait.
func (a *atomicSlot[T]) replace(next *slot[T]) *slot[T] {
	old := a.p.Swap(next)
	if old != nil {
		old.retired.Store(true)
	}
	return old
}
