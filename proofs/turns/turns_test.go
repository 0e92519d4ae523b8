package turns

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// fewer returns the divisor of the sizes of samples: more than 1 in the short
// form of the tests.
func fewer() int {
	if storetest.MustRunAll() {
		return 1
	}
	return 6
}

var (
	rounds = flag.Int("rounds", 1, "random scripts for each release and way of taking turns")
	steps  = flag.Int("steps", 300/fewer(), "steps of a random script; a tenth of them if the document lags")
	seed   = flag.Uint64("seed", 1, "seed of the random scripts")
	length = flag.Int("length", 3, "the length up to which all scripts over a few steps are tried")
	share  = flag.Int("share", 0, "try one in `n` of the longest of them with each release and way; 0 tries each once, or a sixth of them in the short form")
)

// A trial is one release of Python, and one way in which Go takes turns with
// it.
type trial struct {
	release release
	way     way
	python  *driver
}

var ways = []way{{false, false}, {true, false}, {false, true}, {true, true}}

// trials returns the trials of the releases that pass needs, in these ways.
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

// each runs a test for each trial in parallel, each with its own Python
// process.
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

// explore draws and makes steps until one fails.
func (x trial) explore(r *rand.Rand) (script []step, err error) {
	n := *steps
	if x.way.lagging {
		n /= 10 // each step takes much longer
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

// replay makes the steps of a script, with all checks after each step. It
// returns the steps that it made, including one that failed.
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

// replayToEnd is replay with all checks after the last step only. It also
// returns how often Python wrote to a document that lagged.
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
