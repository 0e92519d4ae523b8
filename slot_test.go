package modelregistry_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// Nothing is used after it was closed, while it is replaced as fast as can be by many.
func TestBoxUnderStress(t *testing.T) {
	// More threads than processors, so that the system stops them at any step.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * runtime.NumCPU()))
	type held struct{ closed atomic.Bool }
	var box mr.Box[*held]
	box.Replace(&held{})
	var used, late atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; box.Do(func(h *held) {
				if h.closed.Load() {
					late.Add(1)
				}
				if n%512 == i {
					runtime.Gosched() // or it is never in use while it is replaced
				}
				if h.closed.Load() {
					late.Add(1)
				}
			}); n++ {
				used.Add(1)
			}
		})
	}
	var last *held
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		next := &held{}
		box.Replace(next)
		if last != nil {
			last.closed.Store(true)
		}
		last = next
	}
	box.Clear()
	last.closed.Store(true)
	wg.Wait()
	if used.Load() == 0 || late.Load() != 0 {
		t.Errorf("%d of %d uses were of a closed one", late.Load(), used.Load())
	}
}

// The algorithm of slot.go, step by step, so that every order of the steps of two
// users and of who replaces can be gone through. A flaw leaves something out or
// swaps two steps.
type flaw string

const (
	none       flaw = ""
	noRecheck  flaw = "a user does not look again whether the slot is current"
	waitFirst  flaw = "users are waited for before the slot is replaced"
	neverRings flaw = "who is done never rings"
	lateRetire flaw = "the slot says that it is retired only after the wait began"
	otherCount flaw = "a user counts out on another counter"
	oneLook    flaw = "users are looked for once, and not waited for"
	ringFirst  flaw = "who is done rings before counting out"
)

const boxSlots = 2 // they are current one after the other, then none is

type boxUser struct{ pc, slot, uses int }

type boxState struct {
	current int // slot, or boxSlots for none
	count   [boxSlots][2]int
	retired [boxSlots]bool
	bell    [boxSlots]bool
	closed  [boxSlots]bool
	users   [2]boxUser
	pc, at  int // of who replaces: its step, and the counter it waits for
	old     int
	asleep  bool // it saw users, and waits for the bell
}

// user does the next step of a user, which uses a T twice. It reports false if there is none.
func (s *boxState) user(i int, f flaw) (ok bool, wrong string) {
	u := &s.users[i]
	counter := i // each has its own; that two share one is only slower
	switch u.pc {
	case 0:
		if u.uses == 2 || s.current == boxSlots {
			return false, ""
		}
		u.slot, u.pc = s.current, 1
	case 1:
		s.count[u.slot][counter]++
		u.pc = 2
	case 2:
		if u.pc = 4; s.current == u.slot || f == noRecheck {
			u.pc = 3
		}
	case 3: // uses it
		if s.closed[u.slot] {
			return true, "used after it was closed"
		}
		u.pc, u.uses = 4, u.uses+1
	case 4, 5: // counts out, then rings
		if (u.pc == 4) == (f == ringFirst) {
			s.bell[u.slot] = s.bell[u.slot] || s.retired[u.slot] && f != neverRings
		} else if f == otherCount {
			s.count[u.slot][1-counter]--
		} else {
			s.count[u.slot][counter]--
		}
		if u.pc++; u.pc == 6 {
			u.pc = 0
		}
	}
	return true, ""
}

// replace does the next step of who replaces each slot in turn and closes it.
func (s *boxState) replace(f flaw) (ok bool) {
	if s.old == boxSlots {
		return false
	}
	steps := []string{"swap", "retire", "wait", "close"}
	switch f {
	case waitFirst:
		steps = []string{"wait", "swap", "retire", "close"}
	case lateRetire:
		steps = []string{"swap", "wait", "retire", "close"}
	}
	switch steps[s.pc] {
	case "swap":
		s.current = s.old + 1
	case "retire":
		s.retired[s.old] = true
	case "wait":
		if s.asleep {
			if !s.bell[s.old] {
				return false
			}
			s.bell[s.old], s.asleep = false, false
			return true
		}
		if s.count[s.old][s.at] != 0 && f != oneLook {
			s.asleep = true
			return true
		}
		if s.at++; s.at < 2 {
			return true
		}
		s.at = 0
	case "close":
		s.closed[s.old] = true
		s.old++
		s.pc = -1
	}
	s.pc++
	return true
}

// explore goes through every order of steps, and returns what can go wrong and how
// many states there are.
func explore(f flaw) (wrong string, states int) {
	seen := map[boxState]bool{}
	var visit func(s boxState) string
	visit = func(s boxState) string {
		if seen[s] {
			return ""
		}
		seen[s] = true
		stuck := true
		for i := range s.users {
			next := s
			if ok, wrong := next.user(i, f); wrong != "" {
				return wrong
			} else if ok {
				stuck = false
				if wrong := visit(next); wrong != "" {
					return wrong
				}
			}
		}
		next := s
		if next.replace(f) {
			stuck = false
			if wrong := visit(next); wrong != "" {
				return wrong
			}
		}
		if stuck && s.old != boxSlots {
			return fmt.Sprintf("slot %d is never closed", s.old)
		}
		return ""
	}
	return visit(boxState{}), len(seen)
}

func TestBoxInEveryOrder(t *testing.T) {
	t.Parallel()
	wrong, states := explore(none)
	if wrong != "" || states < 1000 {
		t.Errorf("in %d states: %s", states, wrong)
	}
	t.Logf("%d states", states)
	for _, f := range []flaw{noRecheck, waitFirst, neverRings, lateRetire, otherCount, oneLook, ringFirst} {
		if wrong, _ := explore(f); wrong == "" {
			t.Errorf("nothing goes wrong when %s", f)
		} else {
			t.Logf("when %s: %s", f, wrong)
		}
	}
}
