package turns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
)

// checkHistory compares the events. Python's changes may be recorded already.
func (w *world) checkHistory() error {
	m := &w.spec
	want := slices.Clone(m.events)
	if e := m.pending(); e != "" {
		want = append(want, e)
	}
	var got []string
	recorded := 0
	err := w.fresh(func(r *mr.ModelRegistry) error {
		for e, err := range r.History(context.Background(), modelName, nil) {
			if errors.Is(err, mr.ErrNotFound) && len(want) == 0 {
				break
			}
			if err != nil {
				return err
			}
			line, err := eventLine(e)
			if err != nil {
				return err
			}
			got = append(got, line)
			if !e.Unrecorded() {
				recorded++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d := difference(want, got); d != "" {
		return fmt.Errorf("the history differs (-want +got):\n%s", d)
	}
	if recorded > len(m.events) { // and the document is about to be written
		theirs := m.theirs
		if m.record(); theirs != nil {
			m.docs = []state{*theirs, m.last}
		}
	}
	return nil
}

// An eventJSON is the part of an event's JSON that is compared.
type eventJSON struct {
	Op, Version, From, To, Actor string
	Refused                      bool
	SkippedGates                 bool `json:"skipped_gates"`
	Forced                       bool
	Changes                      []struct {
		Version, From, To string
		Forced, Reused    bool
	}
	ModelGates *map[string]json.Number `json:"model_gates"`
	Aliases    []struct{ Alias, From, To string }
	Note       *struct {
		Set         map[string]string
		Remove      []string
		Description *string
	}
	Doubts []struct{ Version string }
}

// eventLine prints an event as the spec does.
func eventLine(event mr.Event) (string, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return "", err
	}
	var e eventJSON
	if err := json.Unmarshal(data, &e); err != nil {
		return "", err
	}
	var list []string
	for _, c := range e.Changes {
		var more []string
		if c.Forced {
			more = append(more, "forced")
		}
		if c.Reused {
			more = append(more, "reused")
		}
		list = append(list, change(c.Version, c.From, c.To, more...))
	}
	slices.Sort(list)
	what := strings.Join(list, ", ")
	if e.ModelGates != nil {
		what += " " + modelGate(string((*e.ModelGates)["min_auc"]))
	}
	about := e.Op
	if event.Op != mr.OpForeign && event.Op != mr.OpImport {
		about = fmt.Sprintf("%s %s %s to %s by %q", e.Op, e.Version, e.From, e.To, e.Actor)
	}
	if e.Refused {
		about += " refused"
	}
	if e.Forced && event.Op == mr.OpDelete {
		about += " forced"
	}
	if e.SkippedGates {
		about += " without gates"
	}
	for _, c := range e.Aliases {
		about += aliasChange(c.Alias, c.From, c.To)
	}
	if n := e.Note; n != nil {
		if n.Set != nil || n.Remove != nil {
			about += " tag " + n.Set[tagKey]
		}
		if n.Description != nil {
			about += " text " + *n.Description
		}
	}
	var doubts []string
	for _, d := range e.Doubts {
		doubts = append(doubts, d.Version)
	}
	about += doubtsAbout(doubts)
	return fmt.Sprintf("%s [%s]", about, what), nil
}
