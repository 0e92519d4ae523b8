// Package ledger notes, outside a store, what its writers meant to change and
// what they were told became of it, and holds the store against that. It is for tests that
// kill processes or cut the power, and reads the store's files by itself, so
// that it does not share the registry's mistakes.
package ledger

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// A Phase is what a line says of an operation.
type Phase string

// The phases. An operation with Intent alone was cut short: it may have happened or not.
const (
	Intent    Phase = "intent"    // about to be called
	Done      Phase = "done"      // returned without an error
	Refused   Phase = "refused"   // returned an error that has nothing to do with the disk: nothing may have happened
	Failed    Phase = "failed"    // returned any other error: nothing may have happened
	Uncertain Phase = "uncertain" // returned ErrUncertain
)

// A Line is one note.
type Line struct {
	Phase   Phase  `json:"phase"`
	Worker  string `json:"worker"` // whose operations follow each other; no two in a store's life have the same name
	Token   string `json:"token"`  // of one operation; the history has it as the reason
	Op      string `json:"op"`
	Version string `json:"version,omitempty"`
	To      string `json:"to,omitempty"`    // the stage that the version then was in
	Wrote   bool   `json:"wrote,omitempty"` // false if everything was so already
	Error   string `json:"error,omitempty"`
}

// A Notebook writes lines, each in one write, so that a killed process leaves
// whole ones.
type Notebook struct {
	mu sync.Mutex
	w  io.Writer
}

// NewNotebook returns a notebook that writes to w.
func NewNotebook(w io.Writer) *Notebook { return &Notebook{w: w} }

// Note writes a line.
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

// Parse reads one line. It reports false for one that is torn.
func Parse(line []byte) (l Line, ok bool) {
	return l, json.Unmarshal(bytes.TrimSpace(line), &l) == nil
}
