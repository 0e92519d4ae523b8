// Package engine owns what a program holds of a store's models: the state of
// each as last read, the changes that wait for their turn, the commit that makes
// them durable, and the policy for when a document is written. It knows no
// gate, no artifact and no version as callers see it, and no concrete store.
//
// Start reading in commit.go. Read bytes become a state in load.go.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// ErrClosed says that the engine was closed.
var ErrClosed = errors.New("registry is closed")

// An Engine holds the models of a store. It is safe for concurrent use, and so
// are several engines on one store, in one process or in many.
type Engine struct {
	Config

	mu     sync.Mutex
	models []*Model
	closed bool

	running int        // registrations, and models whose changes are being appended
	idle    *sync.Cond // running fell to 0
}

// A Config configures an engine. All but ExternalChanges is required.
type Config struct {
	Store driver.Store
	Log   *slog.Logger     // warns of checkpoints that could not be written
	Now   func() time.Time // the time of changes
	Lag   Lag

	// ExternalChanges has every read look for external changes, whatever that
	// costs in the store.
	ExternalChanges bool
}

// New returns an engine.
func New(c Config) *Engine {
	e := &Engine{Config: c}
	e.idle = sync.NewCond(&e.mu)
	return e
}

// Close ends the use of the store, and closes it. Changes that still wait for
// their turn fail with ErrClosed, as later calls do; Close returns when the work
// that Start counted and appends under way are done, and documents that lag were
// brought up to date.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	models := e.models
	e.mu.Unlock()
	for _, m := range models { // not under e.mu: a change takes its queue's lock first
		m.queue.close()
	}
	e.mu.Lock()
	for e.running > 0 {
		e.idle.Wait()
	}
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	for _, m := range models {
		m.catchUp(ctx)
	}
	return e.Store.Close()
}

// Closed reports whether the engine was closed.
func (e *Engine) Closed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Start counts something that Close waits for. It reports false if the engine
// is closed.
func (e *Engine) Start() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.running++
	}
	return !e.closed
}

// Stop ends what Start began.
func (e *Engine) Stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running--; e.running == 0 {
		e.idle.Broadcast()
	}
}
