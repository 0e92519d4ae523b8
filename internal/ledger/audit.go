package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// An Event is what the audit reads of a line of the history.
type Event struct {
	Number  int64  `json:"event"`
	Op      string `json:"op"`
	Version string `json:"version"`
	Reason  string `json:"reason"`
	Prev    string `json:"prev"`
	After   map[string]struct {
		Stage string `json:"stage"`
	} `json:"after"`
	Extra map[string]struct {
		Manifest string `json:"manifest"`
	} `json:"extra"`
}

// History reads the history in a model's folder. Every line must be whole, carry the
// digest of the line before it and the next number: after a crash that holds once a
// writer has written.
func History(model string) ([]Event, error) {
	data, err := os.ReadFile(filepath.Join(model, "history.jsonl"))
	if err != nil {
		return nil, err
	}
	var events []Event
	prev := ""
	for line := range bytes.Lines(data) {
		if line[len(line)-1] != '\n' {
			return nil, fmt.Errorf("the history ends in a torn line: %q", line)
		}
		line = bytes.TrimRight(line, " \n")
		var e Event
		if err := json.Unmarshal(pyjson.Finite(nil, line), &e); err != nil {
			return nil, fmt.Errorf("line %d of the history: %w", len(events)+1, err)
		}
		if e.Prev != prev {
			return nil, fmt.Errorf("event %d does not carry the digest of the line before", e.Number)
		}
		if e.Number != int64(len(events))+1 {
			return nil, fmt.Errorf("line %d of the history is event %d", len(events)+1, e.Number)
		}
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:])
		events = append(events, e)
	}
	return events, nil
}

// Replay sets stage after stage as the events say. No event may leave two
// versions in production, or give a number out twice.
func Replay(events []Event) (stages map[string]string, err error) {
	stages = map[string]string{}
	for _, e := range events {
		if _, taken := stages[e.Version]; taken && e.Op == "register" {
			return nil, fmt.Errorf("event %d registers %s, which there is", e.Number, e.Version)
		}
		for v, entry := range e.After {
			stages[v] = entry.Stage
		}
		var productions []string
		for v, stage := range stages {
			if stage == "production" {
				productions = append(productions, v)
			}
		}
		if len(productions) > 1 {
			return nil, fmt.Errorf("event %d leaves %q in production", e.Number, productions)
		}
	}
	return stages, nil
}

// Check holds a history against what was noted: what was acknowledged is in it, in the order in
// which each worker was told so; what was refused is not; nothing is in it twice, or that
// nobody asked for.
func Check(events []Event, lines []Line) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	intended, at := map[string]Line{}, map[string]Event{}
	for _, l := range lines {
		if l.Phase == Intent {
			intended[l.Token] = l
		}
	}
	been := map[[2]string]bool{} // version and stage it ever was in
	for _, e := range events {
		if before, twice := at[e.Reason]; twice {
			wrong("events %d and %d are both %s", before.Number, e.Number, e.Reason)
		}
		if l, ok := intended[e.Reason]; !ok || l.Op != e.Op {
			wrong("event %d, %s %s for %q, is nobody's", e.Number, e.Op, e.Version, e.Reason)
		}
		at[e.Reason] = e
		for v, entry := range e.After {
			been[[2]string{v, entry.Stage}] = true
		}
	}
	last := map[string]int64{}
	for _, l := range lines {
		e, there := at[l.Token]
		switch {
		case l.Phase == Intent || l.Phase == Uncertain:
			continue
		case l.Phase != Done && there:
			wrong("%s %s was %s (%s), and is event %d", l.Op, l.Token, l.Phase, l.Error, e.Number)
		case l.Phase != Done:
		case !been[[2]string{l.Version, l.To}]:
			wrong("%s %s was acknowledged, but %s never was in %s", l.Op, l.Token, l.Version, l.To)
		case l.Wrote != there:
			wrong("%s %s of %s was acknowledged as wrote=%t, in the history=%t", l.Op, l.Token, l.Version, l.Wrote, there)
		case there && e.Version != l.Version:
			wrong("%s %s was acknowledged for %s, the history has %s", l.Op, l.Token, l.Version, e.Version)
		}
		if there && e.Number <= last[l.Worker] {
			wrong("%s %s is event %d, after event %d of the same worker", l.Op, l.Token, e.Number, last[l.Worker])
		}
		if there {
			last[l.Worker] = e.Number
		}
	}
	return errors.Join(errs...)
}

// Manifests returns the digest of each version's manifest as the history has it.
func Manifests(events []Event) map[string]string {
	m := map[string]string{}
	for _, e := range events {
		for v, x := range e.Extra {
			m[v] = x.Manifest
		}
	}
	return m
}

// Whole checks a version's files against its manifest, and that against its digest.
func Whole(model, version, digest string) error {
	dir := filepath.Join(model, "versions", version)
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != digest {
		return fmt.Errorf("the manifest of %s does not match its digest", version)
	}
	var manifest struct {
		Files []struct{ Path, SHA256 string }
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, f := range manifest.Files {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
			return fmt.Errorf("%s of %s does not match its digest", f.Path, version)
		}
		names[f.Path] = true
	}
	for _, name := range []string{"model/a.bin", "model/b/c.bin", "metadata.json", "metrics.json"} {
		if !names[name] {
			return fmt.Errorf("%s of %s is not in the manifest", name, version)
		}
	}
	return nil
}
