// Package ledger checks a store against notes that its writers keep outside it:
// what each writer was about to change, and what the registry then returned. It
// is for tests that kill processes or cut the power. It reads the store's files
// without the registry's code, so that it does not repeat the registry's
// mistakes.
package ledger

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// A Phase is the state of an operation when its line was written.
type Phase string

// The phases. An operation that has only an Intent was interrupted: it may have
// happened or not. A refused or failed operation must have changed nothing. A
// purge that returned an error is uncertain, because it may have recorded that
// files are given up.
const (
	Intent    Phase = "intent"    // it is about to be called
	Done      Phase = "done"      // it returned no error
	Refused   Phase = "refused"   // it returned an error that the disk did not cause
	Failed    Phase = "failed"    // it returned any other error
	Uncertain Phase = "uncertain" // it returned ErrUncertain, or is a purge
)

// A Line is one note about one operation.
type Line struct {
	Phase Phase `json:"phase"`
	// Worker makes one call after another. All workers of a store, over its
	// whole life, have different names.
	Worker  string `json:"worker"`
	Token   string `json:"token"` // identifies the operation; the reason of its event
	Op      string `json:"op"`
	Version string `json:"version,omitempty"`
	To      string `json:"to,omitempty"`    // the stage of the version after the operation
	Wrote   bool   `json:"wrote,omitempty"` // false if there was nothing to change
	Once    string `json:"once,omitempty"`  // the key of a registration
	From    string `json:"from,omitempty"`  // the version that the alias names before
	// Shared says that another worker may have deleted the version, or purged
	// the versions, before this one. Then the operation has no event.
	Shared  bool     `json:"shared,omitempty"`
	Removed []string `json:"removed,omitempty"` // versions whose files a purge removed
	Error   string   `json:"error,omitempty"`
}

// A Notebook writes lines. Each line is a single write, so that a process that
// is killed leaves whole lines. It is safe for concurrent use.
type Notebook struct {
	mu sync.Mutex
	w  io.Writer
}

// NewNotebook returns a notebook that writes to w.
func NewNotebook(w io.Writer) *Notebook { return &Notebook{w: w} }

// Note writes one line.
func (n *Notebook) Note(l Line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err = n.w.Write(append(b, '\n'))
	return err
}

// Parse reads one line. It reports false if the line is torn.
func Parse(line []byte) (l Line, ok bool) {
	return l, json.Unmarshal(bytes.TrimSpace(line), &l) == nil
}
