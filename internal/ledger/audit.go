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

// An Event holds those members of a line in the history that the audit reads.
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
		Manifest string               `json:"manifest"`
		Once     struct{ Key string } `json:"once"`
		Tags     map[string]string    `json:"tags"`
	} `json:"extra"`
	Removed []string `json:"removed"`
	Deleted map[string]*struct {
		Purged string `json:"purged"`
	} `json:"deleted"`
	Aliases map[string]AliasChange `json:"aliases"`
	Model   *struct {
		Aliases map[string]string `json:"aliases"`
	} `json:"model"`
}

// History reads the history in a model's folder. It fails unless every line is
// whole, has the next number and carries the digest of the line before. After a
// crash this holds once a writer has written again.
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
			return nil, fmt.Errorf("event %d does not carry the digest of the line before it", e.Number)
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

// Replay applies the events in order and returns the stage of each version that
// is not deleted. It fails if an event registers a number again, also that of a
// deleted version, or leaves two versions in production.
func Replay(events []Event) (stages map[string]string, err error) {
	stages = map[string]string{}
	registered := map[string]bool{}
	for _, e := range events {
		if e.Op == "register" && registered[e.Version] {
			return nil, fmt.Errorf("event %d registers %s, which was registered before", e.Number, e.Version)
		}
		registered[e.Version] = registered[e.Version] || e.Op == "register"
		for _, v := range e.Removed {
			delete(stages, v)
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

// Check compares a history with the notes. It fails if an acknowledged
// operation is missing, if the operations of a worker are out of order, if a
// refused or failed operation has an event, or if an event occurs twice or
// belongs to no operation.
func Check(events []Event, lines []Line) error {
	var errs []error
	report := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	intents, at := map[string]Line{}, map[string]Event{}
	for _, l := range lines {
		if l.Phase == Intent {
			intents[l.Token] = l
		}
	}
	reached := map[[2]string]bool{} // by version and stage
	for _, e := range events {
		if before, twice := at[e.Reason]; twice {
			report("events %d and %d are both %s", before.Number, e.Number, e.Reason)
		}
		if l, ok := intents[e.Reason]; !ok || l.Op != e.Op {
			report("event %d, %s %s with the reason %q, belongs to no operation", e.Number, e.Op, e.Version, e.Reason)
		}
		at[e.Reason] = e
		for v, entry := range e.After {
			reached[[2]string{v, entry.Stage}] = true
		}
	}
	registered, err := byKey(events)
	errs = append(errs, err, checkDeletions(events, lines))
	last := map[string]int64{}
	for _, l := range lines {
		e, there := at[l.Token]
		switch {
		case l.Phase == Intent || l.Phase == Uncertain:
			continue
		case l.Phase != Done && there:
			report("%s %s was %s (%s), but is event %d", l.Op, l.Token, l.Phase, l.Error, e.Number)
		case l.Phase != Done:
		case l.To != "" && !reached[[2]string{l.Version, l.To}]:
			report("%s %s was acknowledged, but %s was never in %s", l.Op, l.Token, l.Version, l.To)
		case l.Wrote != there && !l.Shared:
			report("%s %s of %s was acknowledged with wrote=%t, but in the history=%t", l.Op, l.Token, l.Version, l.Wrote, there)
		case l.Once != "" && registered[l.Once] != l.Version:
			report("%s %s was acknowledged for %s, but %q registered %s", l.Op, l.Token, l.Version, l.Once, registered[l.Once])
		case l.Op == "alias" && e.Aliases[alias] != AliasChange{l.From, l.Version}:
			report("%s %s was acknowledged from %s to %s, but its event has %v", l.Op, l.Token, l.From, l.Version, e.Aliases)
		case l.Op == "annotate" && e.Extra[l.Version].Tags[tag] != l.Token:
			report("%s %s was acknowledged, but its event has the tags %v", l.Op, l.Token, e.Extra[l.Version].Tags)
		case there && l.Op != "alias" && e.Version != l.Version:
			report("%s %s was acknowledged for %s, but its event is for %s", l.Op, l.Token, l.Version, e.Version)
		}
		if there && e.Number <= last[l.Worker] {
			report("%s %s is event %d, after event %d of the same worker", l.Op, l.Token, e.Number, last[l.Worker])
		}
		if there {
			last[l.Worker] = e.Number
		}
	}
	return errors.Join(errs...)
}

// Manifests returns the digest of each version's manifest according to the
// history.
func Manifests(events []Event) map[string]string {
	m := map[string]string{}
	for _, e := range events {
		for v, x := range e.Extra {
			m[v] = x.Manifest
		}
	}
	return m
}

// Whole checks the manifest of a version against its digest, and the files of
// the version against the manifest. It fails if one of the files that Save and
// the registry write is not in the manifest.
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

// Complete checks the folder of a model of which every registration returned:
// the versions are 1.0.0 to 1.0.n-1, each was registered once, and no file of
// them is missing. No event leaves two versions in production. No staging
// folder and no tree that was put aside is left.
func Complete(model string, n int) error {
	events, err := History(model)
	if err != nil {
		return err
	}
	stages, err := Replay(events)
	if err != nil {
		return err
	}
	folders, err := os.ReadDir(filepath.Join(model, "versions"))
	if err != nil {
		return err
	}
	if len(stages) != n || len(folders) != n {
		return fmt.Errorf("the history has %d versions, and there are %d folders, want %d", len(stages), len(folders), n)
	}
	registered, manifests := 0, Manifests(events)
	for _, e := range events {
		if e.Op == "register" {
			registered++
		}
	}
	if registered != n {
		return fmt.Errorf("the history has %d registrations, want %d", registered, n)
	}
	for i := range n {
		version := fmt.Sprintf("1.0.%d", i)
		if err := Whole(model, version, manifests[version]); err != nil {
			return err
		}
	}
	for _, pattern := range []string{".staging/*", ".orphans"} {
		if left, _ := filepath.Glob(filepath.Join(model, pattern)); left != nil {
			return fmt.Errorf("%q are left", left)
		}
	}
	return nil
}
