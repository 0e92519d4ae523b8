package registrytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// race has 8 callers, each with its own handle. In each round, all decide at
// the same time to append the line of the round unless it exists. Exactly one
// must win.
func race(s *suite) {
	name, all := s.name("m"), s.handles(callers)
	at := make([]int64, callers)
	var want []string
	var m meeting
	for round := range s.opts.Rounds {
		var won atomic.Int32
		var winner atomic.Pointer[string]
		var end atomic.Int64
		s.together(func(i int) {
			line := fmt.Sprintf("round %d, caller %d", round, i)
			wrote := false
			done, err := all[i].Append(s.Context(), name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
				wrote = false
				lines, end, err := readLog(v, at[i])
				if err != nil {
					return nil, err
				}
				if at[i] = end; len(lines) > 0 {
					return nil, nil
				}
				wrote = true
				m.attend()
				return &driver.Commit{Lines: raw([]string{line})}, nil
			})
			if err != nil {
				s.Errorf("round %d: %v", round, err)
			} else if wrote {
				won.Add(1)
				winner.Store(&line)
				end.Store(done.End)
			}
		})
		if won.Load() != 1 {
			s.Fatalf("round %d: %d callers appended the line, want 1", round, won.Load())
		}
		want = append(want, *winner.Load())
		for i := range at { // the next round starts after this position
			at[i] = end.Load()
		}
	}
	s.want("the log", s.log(s.handle(), name), want)
}

// A meeting holds callers that decide until all have decided, so that they
// write at the same time. Some stores let only one caller decide at a time. A
// few rounds show that, and then no caller is held.
type meeting struct {
	inside, most, alone atomic.Int32
}

const (
	meetFor     = 2 * time.Millisecond
	aloneAtMost = 20
)

func (m *meeting) attend() {
	n := m.inside.Add(1)
	defer m.inside.Add(-1)
	for most := m.most.Load(); n > most && !m.most.CompareAndSwap(most, n); most = m.most.Load() {
	}
	for start := time.Now(); m.inside.Load() < callers && time.Since(start) < meetFor; runtime.Gosched() {
		if m.most.Load() < 2 && m.alone.Load() > aloneAtMost {
			return
		}
	}
	m.alone.Add(1)
}

// together calls fn for each caller, all at the same time.
func (s *suite) together(fn func(i int)) {
	start := make(chan struct{})
	var ready, wg sync.WaitGroup
	for i := range callers {
		ready.Add(1)
		wg.Go(func() {
			ready.Done()
			<-start
			fn(i)
		})
	}
	ready.Wait()
	close(start)
	wg.Wait()
}

// count has the callers append the number of lines that their view shows,
// without waiting for each other. A change that was decided on an old view then
// shows as a wrong number.
func count(s *suite) {
	name, all := s.name("m"), s.handles(callers)
	s.together(func(i int) {
		n, at := 0, int64(0) // what this caller has read, as a registry remembers it
		for range s.opts.Rounds / callers {
			_, err := all[i].Append(s.Context(), name.UseCase, name.Model, func(v driver.View) (*driver.Commit, error) {
				lines, end, err := readLog(v, at)
				if err == nil {
					n, at = n+len(lines), end
				}
				return &driver.Commit{Lines: raw([]string{fmt.Sprint(n)})}, err
			})
			if err != nil {
				s.Errorf("appending: %v", err)
			}
		}
	})
	var want []string
	for i := range s.opts.Rounds / callers * callers {
		want = append(want, fmt.Sprint(i))
	}
	s.want("the log", s.log(s.handle(), name), want)
}

// groups reads while callers append several lines at a time.
func groups(s *suite) {
	name, all := s.name("m"), s.handles(callers)
	const each = 20
	var writing atomic.Int32
	writing.Store(callers / 2)
	s.together(func(i int) {
		if i%2 == 0 {
			defer writing.Add(-1)
			for n := range each {
				line := fmt.Sprintf("%d-%d", i, n)
				if _, err := add(s.Context(), all[i], name, line, line, line); err != nil {
					s.Errorf("appending: %v", err)
				}
			}
			return
		}
		for at := int64(0); writing.Load() > 0; {
			err := all[i].Read(s.Context(), name.UseCase, name.Model, func(v driver.View) error {
				lines, end, err := readLog(v, at)
				if err != nil {
					return err
				}
				if end < at {
					return fmt.Errorf("the log ended at %d before, and ends at %d now", at, end)
				}
				at = end
				return inThrees(lines)
			})
			if err != nil {
				s.Errorf("reading: %v", err)
				return
			}
		}
	})
	if got := len(s.log(all[0], name)); got != 3*each*callers/2 {
		s.Errorf("the log has %d lines, want %d", got, 3*each*callers/2)
	}
}

func inThrees(lines []string) error {
	for three := range slices.Chunk(lines, 3) {
		if len(three) != 3 || three[0] != three[1] || three[1] != three[2] {
			return fmt.Errorf("three lines were appended in one commit, and a reader sees %q", three)
		}
	}
	return nil
}

// cancelled ends the contexts of appends at any moment, and compares the errors
// of Append with the log.
func cancelled(s *suite) {
	name, all := s.name("m"), s.handles(callers)
	var mu sync.Mutex
	results := map[string]error{}
	s.within("appends whose contexts end", func() {
		s.together(func(i int) {
			for n := range 10 {
				line := fmt.Sprintf("%d-%d", i, n)
				ctx, cancel := context.WithCancel(s.Context())
				timer := time.AfterFunc(time.Duration(rand.Int64N(int64(4*time.Millisecond))), cancel)
				if n == 0 {
					cancel() // the context ends before the call
				}
				_, err := all[i].Append(ctx, name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) {
					if n%4 == 1 {
						cancel()
					}
					return &driver.Commit{Lines: raw([]string{line})}, nil
				})
				timer.Stop()
				cancel()
				mu.Lock()
				results[line] = err
				mu.Unlock()
			}
		})
	})
	lines := s.log(s.handle(), name)
	for line, err := range results {
		n := 0
		for _, l := range lines {
			if l == line {
				n++
			}
		}
		switch {
		case n > 1, err == nil && n != 1, err != nil && !errors.Is(err, mr.ErrUncertain) && n != 0:
			s.Errorf("the log has line %s %d times; Append returned %v", line, n, err)
		case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, mr.ErrUncertain):
			s.Errorf("appending line %s: %v", line, err)
		}
	}
	s.within("waiting for a turn that does not come", func() { waiterGivesUp(s, all[0], all[1]) })
}

// waiterGivesUp cancels an append while another caller decides. A store with a
// lock must give up waiting. In a store without a lock the append happens.
func waiterGivesUp(s *suite, first, second mr.Store) {
	name := s.name("busy")
	deciding, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		_, err := first.Append(s.Context(), name.UseCase, name.Model, func(driver.View) (*driver.Commit, error) {
			once.Do(func() { close(deciding) })
			<-release
			return &driver.Commit{Lines: raw([]string{"first"})}, nil
		})
		done <- err
	}()
	<-deciding
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := add(ctx, second, name, "second")
	close(release)
	if err := <-done; err != nil {
		s.Errorf("the caller that decided: %v", err)
	}
	want := []string{"first"}
	if err == nil {
		want = []string{"second", "first"}
	} else if !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("the caller that waited: %v", err)
	}
	s.want("the log", s.log(s.handle(), name), want)
}

// lostAnswer loses the answers to some writes.
func lostAnswer(s *suite) {
	name := s.name("m")
	if s.opts.Lossy == nil {
		s.Skipf("the case needs StoreOptions.Lossy: a handle over a network that drops answers, or LossyByFaults")
	}
	store, lose, err := s.opts.Lossy()
	if err != nil {
		s.Fatalf("opening: %v", err)
	}
	defer store.Close()
	s.add(store, name, "first")
	least, most := map[string]int{}, map[string]int{}
	for i := range 10 {
		line := fmt.Sprint("change ", i)
		lose()
		_, err := add(s.Context(), store, name, line)
		switch {
		case err == nil:
			least[line], most[line] = 1, 1
		case errors.Is(err, mr.ErrUncertain):
			most[line] = 1
		}
		s.add(s.handle(), name, fmt.Sprint("another caller's ", i))
	}
	found := map[string]int{}
	for _, line := range s.log(s.handle(), name) {
		found[line]++
	}
	for i := range 10 {
		line := fmt.Sprint("change ", i)
		if n := found[line]; n < least[line] || n > most[line] {
			s.Errorf("the log has %s %d times, want %d to %d", line, n, least[line], most[line])
		}
	}
}

// retry is a caller that did not get the answer to its change and makes it
// again.
func retry(s *suite) {
	name, inner := s.name("m"), s.handle()
	cause := errors.New("the answer was lost")
	store := WithFaults(inner, func(c Call) Fault {
		if c.Method == "Append" && c.N%2 == 0 {
			return Fault{Lost: cause}
		}
		return Fault{}
	})
	var want []string
	for i := range 10 {
		line := fmt.Sprint("change ", i)
		unlessThere := func(v driver.View) (*driver.Commit, error) {
			lines, _, err := readLog(v, 0)
			if err != nil || slices.Contains(lines, line) {
				return nil, err
			}
			return &driver.Commit{Lines: raw([]string{line})}, nil
		}
		if _, err := store.Append(s.Context(), name.UseCase, name.Model, unlessThere); !errors.Is(err, cause) || !errors.Is(err, mr.ErrUncertain) {
			s.Errorf("the first try: got error %v, want %v", err, cause)
		}
		if _, err := store.Append(s.Context(), name.UseCase, name.Model, unlessThere); err != nil {
			s.Errorf("the second try: %v", err)
		}
		want = append(want, line)
	}
	s.want("the log", s.log(s.handle(), name), want)
}
