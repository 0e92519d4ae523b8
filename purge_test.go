package modelregistry_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

func TestPurge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	r := openStore(t, dir, &mr.Options{Now: func() time.Time { return now }})
	ctx := t.Context()
	for _, v := range []string{"1.0.0", "1.0.1", "1.0.2"} {
		register(t, r, v, nil)
	}
	deleteVersion(t, r, "1.0.0")
	now = now.Add(20 * 24 * time.Hour)
	deleteVersion(t, r, "1.0.1")
	purge := func(o mr.PurgeOptions) (versions []string) {
		t.Helper()
		list, err := r.Purge(ctx, fraud, &o)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Versions {
			if p.Removed != o.Apply || p.Files == 0 || p.Bytes == 0 {
				t.Errorf("%+v: removed %v, want %v, and a size", p, p.Removed, o.Apply)
			}
			versions = append(versions, p.Version)
		}
		return versions
	}
	events := len(history(t, dir))
	if got := purge(mr.PurgeOptions{}); got != nil {
		t.Errorf("after 20 days Purge lists %v", got)
	}
	if got := purge(mr.PurgeOptions{OlderThan: 10 * 24 * time.Hour}); !slices.Equal(got, []string{"1.0.0"}) {
		t.Errorf("older than ten days: %v", got)
	}
	now = now.Add(11 * 24 * time.Hour)
	if got := purge(mr.PurgeOptions{}); !slices.Equal(got, []string{"1.0.0"}) || len(history(t, dir)) != events || !hasTree(dir, "1.0.0") {
		t.Errorf("after 31 days Purge lists %v, and must change nothing", got)
	}
	if got := purge(mr.PurgeOptions{Apply: true}); !slices.Equal(got, []string{"1.0.0"}) || hasTree(dir, "1.0.0") || !hasTree(dir, "1.0.1") {
		t.Errorf("applied: %v", got)
	}
	err := r.Undelete(ctx, fraud.At("1.0.0"), nil)
	if !errors.Is(err, mr.ErrDeleted) || !strings.Contains(err.Error(), "purged at") {
		t.Errorf("Undelete after Purge: got error %v", err)
	}
	if got := purge(mr.PurgeOptions{Now: true, Apply: true}); !slices.Equal(got, []string{"1.0.1"}) || hasTree(dir, "1.0.1") {
		t.Errorf("now: %v", got)
	}
	if got := purge(mr.PurgeOptions{Now: true, Apply: true}); got != nil {
		t.Errorf("again: %v", got)
	}
	now = now.Add(-time.Hour)
	if _, err := r.Purge(ctx, fraud, nil); !errors.Is(err, mr.ErrConflict) {
		t.Errorf("with a clock that was set back: got error %v, want ErrConflict", err)
	}
	for _, o := range []mr.PurgeOptions{{OlderThan: -1}, {OlderThan: 1, Now: true}} {
		if _, err := r.Purge(ctx, fraud, &o); !errors.Is(err, mr.ErrInvalid) {
			t.Errorf("%+v: got error %v, want ErrInvalid", o, err)
		}
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("Verify finds %v", found)
	}
	if _, err := r.Register(ctx, fraud, artifact(), &mr.RegisterOptions{Version: "1.0.0"}); !errors.Is(err, mr.ErrExists) {
		t.Errorf("a purged number again: got error %v, want ErrExists", err)
	}
}

// A purge that was recorded and did not remove the files is finished by the
// next one, whatever its age.
func TestPurgeFinishesAnInterruptedOne(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	deleteVersion(t, r, "1.0.0")
	tree := modelPath(dir, "versions", "1.0.0")
	if err := os.CopyFS(tree+".copy", os.DirFS(tree)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tree+".copy", tree); err != nil {
		t.Fatal(err)
	}
	report, err := r.Verify(t.Context(), nil)
	if err != nil || len(report.Problems()) > 0 || len(report.Findings) != 1 || report.Findings[0].Kind != mr.PurgeUnfinished || report.Findings[0].Version != "1.0.0" ||
		!strings.Contains(report.Findings[0].String(), "the next Purge removes them") {
		t.Errorf("Verify finds %v, %v; want a notice of 1.0.0", report.Findings, err)
	}
	if report, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil || len(report.Actions) > 0 {
		t.Errorf("Repair does %+v, %v", report, err)
	}
	events := len(history(t, dir))
	list, err := openStore(t, dir, nil).Purge(t.Context(), fraud, &mr.PurgeOptions{Apply: true})
	if err != nil || len(list.Versions) != 1 || !list.Versions[0].Removed || list.Versions[0].Purged.IsZero() || hasTree(dir, "1.0.0") || len(history(t, dir)) != events {
		t.Errorf("%+v, %v", list, err)
	}
	if found := verified(t, dir); len(found) > 0 {
		t.Errorf("after the second purge Verify finds %v", found)
	}
}
