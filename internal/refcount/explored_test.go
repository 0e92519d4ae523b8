package refcount

import (
	"fmt"
	"testing"
)

// A schedule runs threads one step at a time. Each thread is a goroutine that
// waits at its next point until it is chosen.
type schedule struct {
	choices []int // which of the threads that can run goes on, at each step
	made    []choice
	threads []*thread
	running int
	failure string
}

// A choice lists the threads that could be chosen at a step.
type choice struct {
	enabled []int // threads that could run, the one that ran last first
	taken   int   // index into enabled
	preempt int   // preemptions before this step
	free    bool  // the last thread could not go on, so that any choice is free
}

type thread struct {
	resume  chan bool // false ends the thread
	stopped chan struct{}
	ready   func() bool // nil if it can run
	done    bool
	counter int
}

type aborted struct{}

func (s *schedule) step(point) { s.pause(nil) }

func (s *schedule) await(ready func() bool) { s.pause(ready) }

func (s *schedule) counter() int { return s.threads[s.running].counter }

func (s *schedule) counts(n int) bool { return n < users }

func (s *schedule) pause(ready func() bool) {
	th := s.threads[s.running]
	th.ready = ready
	th.stopped <- struct{}{}
	if !<-th.resume {
		panic(aborted{})
	}
}

// users is how many goroutines use the values, each with a counter of its own.
const users = 2

// uses is how often each of them uses a value.
const uses = 2

// maxPreemptions bounds how often a thread that could go on is stopped for
// another one. Most faults need two at most.
const maxPreemptions = 3

func (s *schedule) start(counter int, do func()) {
	th := &thread{resume: make(chan bool), stopped: make(chan struct{}), counter: counter}
	s.threads = append(s.threads, th)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(aborted); !ok {
					panic(r)
				}
				return
			}
			th.done = true
			th.stopped <- struct{}{}
		}()
		if !<-th.resume {
			panic(aborted{})
		}
		do()
	}()
}

// run runs the threads to their end, along the choices and then along the first
// choice at each step.
func (s *schedule) run() {
	last, preempt := -1, 0
	for {
		var enabled []int
		for i, th := range s.threads {
			if th.done || th.ready != nil && !th.ready() {
				continue
			}
			if i == last {
				enabled = append([]int{i}, enabled...)
			} else {
				enabled = append(enabled, i)
			}
		}
		if len(enabled) == 0 {
			break
		}
		free := enabled[0] != last
		taken := 0
		if n := len(s.made); n < len(s.choices) {
			taken = s.choices[n]
		}
		s.made = append(s.made, choice{enabled, taken, preempt, free})
		if taken > 0 && !free {
			preempt++
		}
		last = enabled[taken]
		s.running = last
		s.threads[last].ready = nil
		s.threads[last].resume <- true
		<-s.threads[last].stopped
		if s.failure != "" {
			break
		}
	}
	for i, th := range s.threads {
		if !th.done {
			if s.failure == "" {
				s.failure = fmt.Sprintf("thread %d waits for ever", i)
			}
			th.resume <- false
		}
	}
}

// next returns the choices of the next schedule that was not run yet, or false.
func (s *schedule) next() ([]int, bool) {
	for n := len(s.made) - 1; n >= 0; n-- {
		c := s.made[n]
		if c.taken+1 >= len(c.enabled) || !c.free && c.preempt >= maxPreemptions {
			continue
		}
		choices := make([]int, n+1)
		for i := range n {
			choices[i] = s.made[i].taken
		}
		choices[n] = c.taken + 1
		return choices, true
	}
	return nil, false
}

// Two goroutines use the current value while a third replaces it twice, and
// closes each value that was replaced once Wait returned. In every order of
// their steps with up to three preemptions, no value is used after it was
// closed, and Wait returns.
func TestNothingIsUsedAfterWaitInAnyOrder(t *testing.T) {
	var choices []int
	for runs := 1; ; runs++ {
		s := &schedule{choices: choices}
		explored = s
		var cell Cell[int]
		closed := map[int]bool{}
		cell.current.Store(NewItem(1))
		for u := range users {
			s.start(u, func() {
				for range uses {
					item, on := cell.Acquire()
					if item == nil {
						return
					}
					if closed[item.Value] {
						s.failure = fmt.Sprintf("user %d uses value %d after it was closed", u, item.Value)
					}
					s.step(pointCurrent) // in use
					if closed[item.Value] {
						s.failure = fmt.Sprintf("value %d is closed while user %d uses it", item.Value, u)
					}
					item.Release(on)
				}
			})
		}
		s.start(0, func() {
			for _, next := range []*Item[int]{NewItem(2), nil} {
				old := cell.Replace(next)
				old.Wait()
				closed[old.Value] = true
			}
		})
		s.run()
		explored = nil
		if s.failure != "" {
			t.Fatalf("run %d: %s, in the order %v", runs, s.failure, order(s.made))
		}
		more := false
		if choices, more = s.next(); !more {
			t.Logf("%d orders", runs)
			if runs < 1000 {
				t.Errorf("explored %d orders, want thousands", runs)
			}
			return
		}
		if runs > 5_000_000 {
			t.Fatalf("more than %d orders", runs)
		}
	}
}

// order returns the threads in the order in which they ran.
func order(made []choice) (threads []int) {
	for _, c := range made {
		threads = append(threads, c.enabled[c.taken])
	}
	return threads
}
