package turns

import (
	"context"
	"fmt"
	"sync"
	"time"

	store "github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A document over 1 MiB lags. The metadata of this version make it that long.
const padded, padding = "0.1.0", 1_200_000

// prelude returns the steps that come before a script.
func (y way) prelude() []step {
	if y.lagging {
		return []step{{by: goSide, do: "register", version: padded, pad: true}}
	}
	return nil
}

// A turnStore is a folder store that changes a model only during Go's turn. A
// running registry brings a lagging document up to date after a second without
// a change. Without a turnStore it could write while Python does.
type turnStore struct {
	*fsstore.Store
	turn *sync.Mutex
}

func (s turnStore) Append(ctx context.Context, useCase, model string, decide func(store.View) (*store.Commit, error)) (store.AppendResult, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.Store.Append(ctx, useCase, model, decide)
}

// goTurn calls fn during Go's turn.
func (w *world) goTurn(fn func() error) error {
	w.turn.Unlock()
	defer w.turn.Lock()
	return fn()
}

// wait waits, during Go's turn, until the running registry has brought a
// lagging document up to date.
func (w *world) wait() error {
	const limit, interval = time.Minute, 50 * time.Millisecond
	for deadline := time.Now().Add(limit); w.mayLag(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("the document still lags after %v", limit)
		}
		if err := w.goTurn(func() error { time.Sleep(interval); return nil }); err != nil {
			return err
		}
		if err := w.readDocument(); err != nil {
			return err
		}
	}
	return nil
}

// readDocument finds out which state registry.json holds, and whether Python's
// changes to it are recorded.
func (w *world) readDocument() error {
	if w.spec.theirs != nil {
		return w.checkHistory()
	}
	a, err := w.python.ask(map[string]any{"do": "list", "store": w.store})
	if err != nil {
		return err
	}
	return w.readBy(a.After)
}

// mayLag reports whether the document may lag.
func (w *world) mayLag() bool {
	if !w.running || !w.lagging {
		return false
	}
	if w.spec.theirs != nil {
		return w.late
	}
	return len(w.spec.docs) > 1
}
