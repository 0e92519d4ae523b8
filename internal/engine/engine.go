// Package engine holds the models of a store: the state of each as last read,
// the changes that wait for their turn, the commit that makes them durable, and
// the rule for when a document is written. It must not know gates, artifacts,
// versions as callers see them, or a concrete store.
//
// Start reading in commit.go. load.go turns the bytes of a store into a state.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// ErrClosed says that the engine is closed.
var ErrClosed = errors.New("registry is closed")

// An Engine holds the models of a store. It is safe for concurrent use. Several
// engines may use one store at the same time, in one process or in many.
type Engine struct {
	Config

	mu     sync.Mutex
	models []*Model
	closed bool
	kept   kept

	running int        // registrations, and models whose changes are being appended
	idle    *sync.Cond // running fell to 0
}

// A Config configures an engine. All fields but ExternalChanges are required.
type Config struct {
	Store driver.Store
	Log   *slog.Logger     // gets a warning if a checkpoint can't be written
	Now   func() time.Time // the time of changes
	Lag   Lag
	Keep  int64 // bounds the states that are kept in memory, in bytes of documents

	// ExternalChanges makes every read check for external changes, even where
	// the store has to make a request for that.
	ExternalChanges bool
}

// New returns an engine.
func New(c Config) *Engine {
	e := &Engine{Config: c, kept: kept{bound: c.Keep, sizes: map[*Model]int64{}}}
	e.idle = sync.NewCond(&e.mu)
	return e
}

// Close closes the engine and its store. Changes that wait for their turn fail
// with ErrClosed, and so do later calls. Close waits for appends in progress
// and for the work that Start counted. It then brings documents that lag up to
// date, for closeWait at most.
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
		m.catchUp(ctx, true)
	}
	return e.Store.Close()
}

// Closed reports whether the engine was closed.
func (e *Engine) Closed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Start begins work that Close waits for, until Stop. It returns false if the
// engine is closed.
func (e *Engine) Start() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.running++
	}
	return !e.closed
}

// Stop ends the work that a call of Start began.
func (e *Engine) Stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running--; e.running == 0 {
		e.idle.Broadcast()
	}
}
