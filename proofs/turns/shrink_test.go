package turns

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// shrinking bounds the time for shortening a script.
const shrinking = 20 * time.Second

// shrink leaves out steps of a failed script for as long as the rest fails. It
// returns the remaining steps and their error.
func shrink(script []step, err error, replay func([]step) ([]step, error)) ([]step, error) {
	end := time.Now().Add(shrinking)
	for size := max(1, len(script)/2); ; size = max(1, size/2) {
		smaller := false
		for at := 0; at+size <= len(script) && time.Now().Before(end); {
			rest := slices.Concat(script[:at], script[at+size:])
			if made, why := replay(rest); why != nil {
				script, err, smaller = made, why, true
			} else {
				at += size
			}
		}
		if size == 1 && !smaller {
			return script, err
		}
	}
}

func TestShrinkKeepsFailingSteps(t *testing.T) {
	script := mustParse(`
		go register; python register; go promote 1.0.0 staging; go archive 1.0.0
		python edit 1.0.1 auc=0.7; go rollback; python archive 1.0.1; go register`)
	failure := errors.New("an archiving after an edit")
	replay := func(script []step) ([]step, error) {
		edited := false
		for i, s := range script {
			edited = edited || s.do == "edit"
			if edited && s.do == "archive" {
				return script[:i+1], failure
			}
		}
		return script, nil
	}
	short, err := shrink(script, failure, replay)
	want := mustParse("python edit 1.0.1 auc=0.7; python archive 1.0.1")
	if !slices.Equal(short, want) || err != failure {
		t.Errorf("the remaining steps, which fail with %v:\n%swant:\n%s", err, printScript(short), printScript(want))
	}
}

func TestStepsReadAsTheyPrint(t *testing.T) {
	text := "\tgo register auc=0.9 own=0.7 named\n" +
		"\tpython register 1.0.1 auc=0.5 stored=none\n" +
		"\tgo promote 1.0.0 production gate=0.6 force\n" +
		"\tgo register 0.1.0 pad\n"
	if got := printScript(mustParse(text)); got != text {
		t.Errorf("got:\n%swant:\n%s", got, text)
	}
}
