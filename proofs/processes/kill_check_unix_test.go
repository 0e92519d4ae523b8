//go:build unix

package processes

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

// check checks what the killed processes left: first as a reader, then as the
// next writer, then in the files.
func (k *killRun) check(t *testing.T) {
	t.Helper()
	k.debris(t)
	r := openStore(t, k.dir, nil)
	before := stagesOf(t, r)
	// A process that was killed between the rename of its folders and its
	// append left them in versions/. The next registrations with these numbers
	// move them to .orphans/.
	for range 10 {
		v := k.register(t, r)
		before[v.Version] = string(v.Stage)
		k.finishPurges(t, r)
		if slices.Equal(k.names(t, "versions"), k.folders(t, before)) {
			break
		}
	}
	v := k.registerAfterDeletion(t, r)
	before[v.Version] = string(v.Stage)
	if left := k.names(t, ".staging"); len(left) > 0 {
		t.Errorf("the staging folder holds %q, want nothing", left)
	}
	if diff := cmp.Diff(k.folders(t, before), k.names(t, "versions")); diff != "" {
		t.Errorf("versions and their folders (-listed, or deleted and not purged +folders):\n%s", diff)
	}
	events, err := ledger.History(modelPath(k.dir))
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := ledger.Replay(events)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(replayed, before); diff != "" {
		t.Errorf("stages (-replayed +read by the next writer):\n%s", diff)
	}
	if diff := cmp.Diff(replayed, stagesOf(t, openStore(t, k.dir, nil))); diff != "" {
		t.Errorf("stages (-replayed +read by a new registry):\n%s", diff)
	}
	aliases, err := ledger.Aliases(events)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*mr.ModelRegistry{"the next writer": r, "a new registry": openStore(t, k.dir, nil)} {
		facts, err := r.Facts(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(aliases, facts.Aliases) {
			t.Errorf("%s reads the aliases %v, want %v", name, facts.Aliases, aliases)
		}
	}
	if err := errors.Join(ledger.Check(events, k.lines), ledger.Kept(modelPath(k.dir), events)); err != nil {
		t.Error(err)
	}
	wantDeletions(t, r, events)
	wantVerified(t, r)
}

// register registers a version as the next writer.
func (k *killRun) register(t *testing.T, r *mr.ModelRegistry) (v mr.ModelVersion) {
	t.Helper()
	k.note(t, ledger.Line{Op: "register", To: string(mr.Development)}, func(token string) (_ string, err error) {
		v, err = r.Register(t.Context(), fraud, twoFiles(token), &mr.RegisterOptions{Reason: token})
		return v.Version, err
	})
	return v
}

// note makes a change that must succeed, and notes it.
func (k *killRun) note(t *testing.T, l ledger.Line, change func(token string) (version string, err error)) {
	t.Helper()
	k.count++
	l.Token = fmt.Sprintf("next%d", k.count)
	l.Worker, l.Phase = l.Token, ledger.Intent
	version, err := change(l.Token)
	if err != nil {
		t.Fatal(err)
	}
	k.lines = append(k.lines, l)
	l.Phase, l.Version, l.Wrote = ledger.Done, version, true
	k.lines = append(k.lines, l)
}

// debris checks that the model's folder holds only its usual files, files that
// the next writer removes, and folders put aside.
func (k *killRun) debris(t *testing.T) {
	t.Helper()
	known := []string{".lock", ".orphans", ".registry.json.tmp", ".staging", "history.jsonl", "registry.json", "versions"}
	for _, name := range k.names(t) {
		if !slices.Contains(known, name) {
			t.Errorf("the model's folder holds %s, want one of %q", name, known)
		}
	}
	for _, name := range k.names(t, ".staging") {
		if b, err := hex.DecodeString(name); err != nil || len(b) != 16 {
			t.Errorf("the staging folder holds %s, want only names of 16 bytes in hex", name)
		}
	}
}

// names returns the names in a folder of the model.
func (k *killRun) names(t *testing.T, folder ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(modelPath(k.dir, folder...))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// stagesOf returns the stage of each version. The model may not exist yet.
func stagesOf(t *testing.T, r *mr.ModelRegistry) map[string]string {
	t.Helper()
	list, err := r.ListVersions(t.Context(), fraud)
	if err != nil && !errors.Is(err, mr.ErrNotFound) {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, v := range list {
		m[v.Version] = string(v.Stage)
	}
	if len(m) != len(list) {
		t.Errorf("%d versions have %d numbers, want one each", len(list), len(m))
	}
	return m
}
