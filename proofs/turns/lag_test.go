package turns

import (
	"errors"
	"fmt"
	"time"
)

// A document over 1 MiB lags. The metadata of one version make it so long.
const padded, padding = "0.1.0", 1_200_000

// prelude are the steps that come before a script.
func (y way) prelude() []step {
	if y.lagging {
		return []step{{by: goSide, do: "register", version: padded, pad: true}}
	}
	return nil
}

// A running registry brings a document that lags up to date when nothing was
// changed for a second. Python may not write at that moment, for then the two
// would not take turns: it writes well before, or waits for that.
const wellBefore, before, longAfter = 300 * time.Millisecond, 900 * time.Millisecond, 20 * time.Second

// errSlow says that Python took so long that the two did not take turns.
var errSlow = errors.New("the step took so long that Go may have brought the document up to date meanwhile")

func (w *world) stayInTurns() error {
	if time.Since(w.changed) < wellBefore {
		return nil
	}
	return w.caughtUp()
}

// mayCatchUp reports whether a registry may have begun to bring the document up
// to date.
func (w *world) mayCatchUp() bool { return time.Since(w.changed) > before }

// caughtUp waits until a document that lags is up to date.
func (w *world) caughtUp() (err error) {
	for deadline := time.Now().Add(longAfter); w.behind(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the document still lags after %v: %w", longAfter, err)
		}
		if w.spec.theirs != nil { // what Python wrote is recorded then
			err = w.checkHistory()
			continue
		}
		var a *answer
		if a, err = w.python.ask(map[string]any{"do": "list", "store": w.store}); err == nil {
			err = w.readBy(a.After)
		}
	}
	return nil
}

// behind reports whether the document lags, or may do so.
func (w *world) behind() bool {
	if !w.running || !w.lagging {
		return false
	}
	if w.spec.theirs != nil {
		return w.late
	}
	return len(w.spec.docs) > 1
}
