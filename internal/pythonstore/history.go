package pythonstore

import (
	"bytes"
	"encoding/json"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// An Event is a line of the history, with the members that tests compare.
type Event struct {
	Event   int64                        `json:"event"`
	Op      string                       `json:"op"`
	Version string                       `json:"version"`
	Reset   bool                         `json:"reset"`
	Removed []string                     `json:"removed"`
	Deleted map[string]map[string]string `json:"deleted"`
	After   json.RawMessage              `json:"after"`
	Prev    string                       `json:"prev"`
}

// Events returns the lines of the history.
func (s *Store) Events() []Event {
	s.T.Helper()
	var events []Event
	for line := range bytes.Lines(s.Read("history.jsonl")) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			s.T.Fatalf("the history ends in the line %q, want a complete one", line)
		}
		var e Event
		if err := json.Unmarshal(pyjson.Finite(nil, bytes.TrimSpace(line)), &e); err != nil {
			s.T.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// Ops returns the operations in the history, each with its version.
func (s *Store) Ops() []string {
	s.T.Helper()
	var ops []string
	for _, e := range s.Events() {
		ops = append(ops, strings.TrimSpace(e.Op+" "+e.Version))
	}
	return ops
}

// ForeignEvents returns the foreign events as History shows them.
func (s *Store) ForeignEvents(r *mr.ModelRegistry) (list []mr.Event) {
	s.T.Helper()
	for e, err := range r.History(s.T.Context(), storetest.Fraud, &mr.HistoryOptions{Ops: []mr.Operation{mr.OpForeign}}) {
		if err != nil {
			s.T.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// WantNoEmptyForeignEvent checks that each foreign event has a change, a doubt
// or a reason.
func (s *Store) WantNoEmptyForeignEvent(r *mr.ModelRegistry) {
	s.T.Helper()
	for _, e := range s.ForeignEvents(r) {
		if len(e.Changes) == 0 && len(e.Doubts) == 0 && e.Reason == "" {
			s.T.Errorf("foreign event %d has no change, doubt or reason, want one", e.Number)
		}
	}
}
