package modelregistry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// Purge goes on although another process changes the model after Purge looked
// at the clock.
func TestPurgeBesideAWriter(t *testing.T) {
	t.Parallel()
	now, dir := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), t.TempDir()
	writer := openStore(t, dir, &mr.Options{Now: func() time.Time { now = now.Add(time.Second); return now }})
	write := func() {}
	r := openStore(t, dir, &mr.Options{Now: func() time.Time {
		at := now
		write()
		write = func() {}
		return at
	}})
	for _, v := range []string{"1.0.0", "1.0.1"} {
		register(t, writer, v, nil)
	}
	deleteVersion(t, writer, "1.0.0")
	write = func() { register(t, writer, "1.0.2", nil) }
	report, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true})
	if err != nil || len(report.Versions) != 1 || !report.Versions[0].Removed {
		t.Errorf("got %+v, %v, want 1.0.0 removed", report, err)
	}
}

// openTreeStore calls before before it opens a tree.
type openTreeStore struct {
	mr.Store
	before func()
}

func (s openTreeStore) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	s.before()
	return s.Store.OpenTree(ctx, useCase, model, version)
}

// Undelete says that a version was purged, also if another process purges it
// meanwhile.
func TestUndeleteBesideAPurge(t *testing.T) {
	t.Parallel()
	r, dir := deletable(t)
	deleteVersion(t, r, "1.0.0")
	store, err := mr.NewFolderStore(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := mr.New(openTreeStore{store, func() {
		if _, err := r.Purge(t.Context(), fraud, &mr.PurgeOptions{Now: true, Apply: true}); err != nil {
			t.Error(err)
		}
	}}, nil)
	defer other.Close()
	err = other.Undelete(t.Context(), fraud.At("1.0.0"), nil)
	if !errors.Is(err, mr.ErrDeleted) || errors.Is(err, mr.ErrArtifact) || !strings.Contains(err.Error(), "purged at") {
		t.Errorf("got error %v, want ErrDeleted", err)
	}
}
