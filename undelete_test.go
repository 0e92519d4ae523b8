package modelregistry_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

func TestUndelete(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	ctx := t.Context()
	if err := r.Annotate(ctx, fraud.At("1.0.0"), mr.Note{Set: map[string]string{"team": "x"}}, nil); err != nil {
		t.Fatal(err)
	}
	before, err := r.GetVersion(ctx, fraud.At("1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	deleteVersion(t, r, "1.0.0")
	if err := r.SetAliases(ctx, fraud, map[string]string{"champion": "1.0.0"}, nil); !errors.Is(err, mr.ErrDeleted) {
		t.Errorf("an alias for a deleted version: got error %v, want ErrDeleted", err)
	}
	other := openStore(t, dir, nil)
	for range 2 { // a repeated call
		if err := other.Undelete(ctx, fraud.At("1.0.0"), &mr.KeepOptions{Reason: "needed"}); err != nil {
			t.Fatal(err)
		}
	}
	for which, r := range map[string]*mr.ModelRegistry{"open": r, "new": openStore(t, dir, nil)} {
		after, err := r.GetVersion(ctx, fraud.At("1.0.0"))
		if diff := cmp.Diff(mustJSON(t, before), mustJSON(t, after)); err != nil || diff != "" {
			t.Errorf("%s registry: %v (-before +after):\n%s", which, err, diff)
		}
		if m, err := r.GetModel(ctx, fraud.At("1.0.0"), &mr.GetOptions{Verify: true}); err != nil {
			t.Errorf("%s registry: %v", which, err)
		} else {
			m.Close()
		}
	}
	if err := r.Delete(ctx, fraud.At("1.0.3"), &mr.KeepOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	promote(t, r, "1.0.4", mr.Production)
	if err := r.Undelete(ctx, fraud.At("1.0.3"), nil); err != nil {
		t.Fatal(err)
	}
	wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Archived, "1.0.2": mr.Archived, "1.0.3": mr.Archived, "1.0.4": mr.Production})
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
}

// The entry of a deleted version is in the history only. If that is lost, the
// error says so, because the version was not.
func TestUndeleteAfterTheHistoryIsLost(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	deleteVersion(t, r, "1.0.0")
	if err := os.Remove(modelPath(dir, "history.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(t, dir, nil).Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil {
		t.Fatal(err)
	}
	err := openStore(t, dir, nil).Undelete(t.Context(), fraud.At("1.0.0"), nil)
	if !errors.Is(err, mr.ErrDeleted) || !strings.Contains(err.Error(), "its entry is no longer in the history") {
		t.Errorf("got error %v, want ErrDeleted and the reason", err)
	}
}

// Undelete checks the digests, because Ubunye may have used the number of a
// deleted version, and failed after it had written over its files.
func TestUndeleteChecksTheFiles(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	deleteVersion(t, r, "1.0.0")
	files, err := os.ReadDir(modelPath(dir, "versions", "1.0.0", "model"))
	if err != nil {
		t.Fatal(err)
	}
	file := modelPath(dir, "versions", "1.0.0", "model", files[0].Name())
	if err := errors.Join(os.Chmod(file, 0o666), os.WriteFile(file, []byte("other"), 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := r.Undelete(t.Context(), fraud.At("1.0.0"), nil); !errors.Is(err, mr.ErrArtifact) {
		t.Errorf("got error %v, want ErrArtifact", err)
	}
	if _, err := r.GetVersion(t.Context(), fraud.At("1.0.0")); !errors.Is(err, mr.ErrDeleted) {
		t.Errorf("GetVersion then fails with %v, want ErrDeleted", err)
	}
}

// An undeleted version stands where it stood, for every reader.
func TestUndeletedVersionStandsWhereItStood(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	r := openStore(t, dir, &mr.Options{Now: func() time.Time { now = now.Add(time.Second); return now }})
	var want []string
	for _, v := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4"} {
		register(t, r, v, nil)
		want = append([]string{v}, want...)
	}
	other := openStore(t, dir, nil) // it applies the later events
	list := func(which string, r *mr.ModelRegistry) {
		t.Helper()
		versions, err := r.ListVersions(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range versions {
			got = append(got, v.Version)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the %s registry lists %v, want %v", which, got, want)
		}
	}
	list("other", other)
	for _, deleted := range [][]string{{"1.0.1"}, {"1.0.0", "1.0.2"}, {"1.0.4", "1.0.3"}} {
		for _, v := range deleted {
			if err := r.Delete(t.Context(), fraud.At(v), &mr.KeepOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range deleted {
			if err := r.Undelete(t.Context(), fraud.At(v), nil); err != nil {
				t.Fatal(err)
			}
		}
		list("same", r)
		list("other", other)
		list("new", openStore(t, dir, nil))
	}
	promote(t, other, "1.0.2", mr.Staging)
	list("same", r)
	if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
		t.Fatal(err)
	}
	list("replaying", openStore(t, dir, nil))
	if found := verified(t, dir); len(found) != 1 { // registry.json is missing
		t.Errorf("Verify finds %v", found)
	}
}
