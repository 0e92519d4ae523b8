//go:build unix

package processes

import (
	"errors"
	"maps"
	"slices"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

// finishPurges completes the purges that were killed. It gives up no version
// itself.
func (k *killRun) finishPurges(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	report, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Apply: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Versions {
		if p.Purged.IsZero() || !p.Removed {
			t.Errorf("the next purge returns %+v, want a version that was purged before and whose files are removed", p)
		}
	}
}

// registerAfterDeletion deletes the version with the highest number, and
// registers one with a new registry. That must not get the number of a deleted
// version.
func (k *killRun) registerAfterDeletion(t *testing.T, r *mr.ModelRegistry) mr.ModelVersion {
	t.Helper()
	highest := k.register(t, r).Version
	k.note(t, ledger.Line{Op: "delete", Version: highest}, func(token string) (string, error) {
		return highest, r.Delete(t.Context(), fraud.At(highest), &mr.KeepOptions{Reason: token, Force: true})
	})
	return k.register(t, openStore(t, k.dir, nil))
}

// folders returns the versions that should have files: those that are listed,
// and those that are deleted and not purged.
func (k *killRun) folders(t *testing.T, listed map[string]string) []string {
	t.Helper()
	events, err := ledger.History(modelPath(k.dir))
	if err != nil {
		t.Fatal(err)
	}
	purged, err := ledger.Deletions(events)
	if err != nil {
		t.Fatal(err)
	}
	versions := slices.Collect(maps.Keys(listed))
	for v := range purged {
		if !purged[v] {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	return versions
}

// wantDeletions checks that readers know each deletion in the history, and
// whether it was purged.
func wantDeletions(t *testing.T, r *mr.ModelRegistry, events []ledger.Event) {
	t.Helper()
	deletions, err := ledger.Deletions(events)
	if err != nil {
		t.Fatal(err)
	}
	for v, purged := range deletions {
		var deleted *mr.DeletedError
		if _, err := r.GetVersion(t.Context(), fraud.At(v)); !errors.As(err, &deleted) || deleted.Purged.IsZero() == purged {
			t.Errorf("%s is deleted, with purged=%t; got error %v", v, purged, err)
		}
	}
}

// wantVerified checks that Verify finds nothing but folders that were put
// aside.
func wantVerified(t *testing.T, r *mr.ModelRegistry) {
	t.Helper()
	report, err := r.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Kind != mr.SetAside {
			t.Errorf("Verify finds %v", f)
		}
	}
}
