package turns

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var (
	rounds = flag.Int("rounds", 1, "random scripts for each release and way of taking turns")
	steps  = flag.Int("steps", 300/fewer, "steps of a random script; a tenth where the document lags")
	seed   = flag.Uint64("seed", 1, "what the random scripts are drawn from")
	length = flag.Int("length", 3, "the length up to which all scripts over a few steps are tried")
	share  = flag.Int("share", 0, "try one in so many of the longest of them; 0 has each tried once, by some release and way")
)

// A trial is one release, and one way in which Go takes its turns with it.
type trial struct {
	release release
	way     way
	python  *driver
}

var ways = []way{{false, false}, {true, false}, {false, true}, {true, true}}

// trials are those of the releases and ways that pass.
func trials(needs func(release) bool, ways []way) (list []trial) {
	for _, r := range releases {
		for _, y := range ways {
			if needs(r) {
				list = append(list, trial{release: r, way: y})
			}
		}
	}
	return list
}

func (x trial) String() string { return fmt.Sprintf("%s, %v", x.release.number, x.way) }

// each runs a test for each trial at once, with a Python process of its own.
func each(t *testing.T, test func(t *testing.T, x trial)) {
	for _, x := range trials(anyRelease, ways) {
		t.Run(x.String(), func(t *testing.T) {
			t.Parallel()
			x.python = x.release.start(t)
			test(t, x)
		})
	}
}

func anyRelease(release) bool { return true }

func deletes(r release) bool { return r.deletes }

func gates(r release) bool { return r.gates }

func TestRandomTurns(t *testing.T) {
	each(t, func(t *testing.T, x trial) {
		for round := range *rounds {
			script, err := x.explore(rand.New(rand.NewPCG(*seed, uint64(round))))
			if err != nil {
				short, why := shrink(script, err, x.replay)
				t.Fatalf("%v, seed %d, round %d: after %d steps, of which these are enough:\n%s%v",
					x, *seed, round, len(script), printScript(short), why)
			}
		}
	})
}

// explore makes steps as they are drawn, until one fails.
func (x trial) explore(r *rand.Rand) (script []step, err error) {
	n := *steps
	if x.way.lagging {
		n /= 10 // each takes so much longer
	}
	err = x.inWorld(func(w *world) error {
		g := &generator{Rand: r, release: x.release, way: x.way}
		script = nil
		for range n {
			s := g.step(&w.spec)
			script = append(script, s)
			if err := w.take(s); err != nil {
				return err
			}
		}
		return nil
	})
	return script, err
}

// replay makes the steps of a script, with all checks after each. It returns
// the steps that it made, the one that failed included.
func (x trial) replay(script []step) (made []step, err error) {
	n := 0
	err = x.inWorld(func(w *world) error {
		n = 0
		for _, s := range script {
			n++
			if err := w.take(s); err != nil {
				return err
			}
		}
		return nil
	})
	return script[:n], err
}

// replayToEnd is replay with all checks after the last step alone. It also
// returns how often Python wrote in a document that lagged.
func (x trial) replayToEnd(script []step) (lagged int, err error) {
	err = x.inWorld(func(w *world) error {
		defer func() { lagged = w.lagged }()
		for _, s := range script {
			if err := w.pass(s); err != nil {
				return err
			}
		}
		return w.check()
	})
	return lagged, err
}
