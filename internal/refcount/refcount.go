// Package refcount holds a current value that is replaced while goroutines use
// it, and reports when the last user of a replaced value is done. It does not
// know what the value is, and does not close it.
//
// Users take no lock and allocate nothing, and two processors rarely write to
// one cache line. A user counts itself in, and then checks that the item is
// still the current one. If it is not, the user counts itself out again and
// does not touch the value. An item is replaced first and its counters are read
// after. So every user of its value counted in before the replacement, and is
// seen until it counts out. A user counts in and out on the same counter, so
// the counters can be read one after the other: one that was 0 after the
// replacement never counts a user of the value again. An item that was replaced
// never becomes current again.
package refcount

import (
	"sync/atomic"
	"unsafe"
)

// A Cell has a current item, or none. The zero Cell has none. It is safe for
// concurrent use.
type Cell[T any] struct{ current atomic.Pointer[Item[T]] }

// An Item holds a value and counts its users.
type Item[T any] struct {
	Value T

	retired atomic.Bool   // a user that counts out then rings the bell
	bell    chan struct{} // of capacity 1
	users   [counters]Counter
}

// NewItem returns an item that is not current yet.
func NewItem[T any](value T) *Item[T] {
	return &Item[T]{Value: value, bell: make(chan struct{}, 1)}
}

// counters is a power of two, and enough that two goroutines that run at the
// same time rarely share a counter.
const counters = 1 << counterBits
const counterBits = 6

// A Counter counts users. It has its cache line to itself, and the neighbour
// that a processor fetches with it.
type Counter struct {
	n atomic.Int64
	_ [120]byte
}

// Acquire returns the current item and the counter on which the caller is
// counted, for Release. It returns nil if there is no item.
func (c *Cell[T]) Acquire() (*Item[T], *Counter) {
	for {
		at(pointCurrent)
		i := c.current.Load()
		if i == nil {
			return nil, nil
		}
		users := i.pick()
		at(pointCountIn)
		users.n.Add(1)
		at(pointCurrent)
		if c.current.Load() == i {
			return i, users
		}
		i.Release(users)
	}
}

// Peek returns the current item without counting the caller as a user. Its
// value may be closed at any time.
func (c *Cell[T]) Peek() *Item[T] { return c.current.Load() }

// pick chooses a counter by the address of the caller's stack. That costs less
// than a random number and differs between goroutines. Only speed depends on
// it.
func (i *Item[T]) pick() *Counter {
	if explored != nil {
		return &i.users[explored.counter()]
	}
	var here byte
	hash := uint64(uintptr(unsafe.Pointer(&here))) * 0x9e3779b97f4a7c15
	return &i.users[hash>>(64-counterBits)]
}

// Release ends a use. The caller must not use the item after it.
func (i *Item[T]) Release(users *Counter) {
	at(pointCountOut)
	users.n.Add(-1)
	at(pointRetired)
	if i.retired.Load() {
		at(pointBell)
		select {
		case i.bell <- struct{}{}:
		default: // the bell has rung, and Wait has not received it yet
		}
	}
}

// Replace makes another item current, or none if next is nil. It returns the
// item before.
func (c *Cell[T]) Replace(next *Item[T]) *Item[T] {
	at(pointCurrent)
	old := c.current.Swap(next)
	if old != nil {
		at(pointRetired)
		old.retired.Store(true)
	}
	return old
}

// Wait returns when no goroutine uses the value of an item that was replaced.
// One goroutine may call it, once.
func (i *Item[T]) Wait() {
	for n := range i.users {
		for {
			atCounter(n)
			if i.users[n].n.Load() == 0 {
				break
			}
			if explored != nil {
				explored.await(func() bool { return len(i.bell) > 0 })
			}
			<-i.bell
		}
	}
}
