package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// dieAt makes the bucket fail from the nth request on, as if the process died
// then. If done is true, the nth request is carried out, and its answer is
// lost. died ends the failures, and reports whether it came to that. The error
// is one after which no request is repeated.
func (f *faultyBucket) dieAt(n int, done bool) (died func() bool) {
	made := 0
	fail := func(dead bool) error {
		if dead {
			return &codedError{gcerrors.PermissionDenied, "the process died"}
		}
		return nil
	}
	f.set(func() {
		f.before = func(string, string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			made++
			return fail(made > n || made == n && !done)
		}
		f.after = func(string, string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			return fail(made >= n)
		}
	})
	return func() bool {
		f.set(func() { f.before, f.after = nil, nil })
		return made >= n
	}
}

// A process may die at each request of a deletion, of its end, and of a purge.
// A version that is not purged then has all of its files, one that is purged
// stays so, and the next purge removes what is left of it.
func TestDeletionThatDiesAtAnyRequest(t *testing.T) {
	t.Parallel()
	ctx, purge := context.Background(), &mr.PurgeOptions{Now: true, Apply: true}
	for _, tt := range []struct {
		name    string
		deleted []string // before
		act     func(*mr.ModelRegistry) error
		purges  bool
	}{
		{"delete", nil, func(r *mr.ModelRegistry) error { return r.Delete(ctx, fraud.At("1.0.0"), nil) }, false},
		{"undelete", []string{"1.0.0"}, func(r *mr.ModelRegistry) error { return r.Undelete(ctx, fraud.At("1.0.0"), nil) }, false},
		{"purge", []string{"1.0.0", "1.0.1"}, func(r *mr.ModelRegistry) error { _, err := r.Purge(ctx, fraud, purge); return err }, true},
	} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, carried out %t", tt.name, done), func(t *testing.T) {
				t.Parallel()
				for n, died := 1, true; died && !t.Failed(); n++ {
					f, b := newFaulty(t)
					r := threeVersions(t, b, tt.deleted)
					stop := f.dieAt(n, done)
					err := tt.act(r)
					if died = stop(); err != nil && !died {
						t.Fatal(err)
					}
					r = registrytest.NewOn(t, newStore(t, b, nil), nil)
					for _, version := range []string{"1.0.0", "1.0.1"} {
						if purged := wantWhole(t, r, version); tt.purges && err == nil && !purged {
							t.Errorf("request %d: the purge of %s was acknowledged and is not recorded", n, version)
						}
					}
					if _, err := r.Purge(t.Context(), fraud, purge); err != nil {
						t.Errorf("request %d: the next purge: %v", n, err)
					}
					for _, version := range []string{"1.0.0", "1.0.1"} {
						if keys := keysOf(t, b, "/"+version+"/"); wantWhole(t, r, version) && len(keys) > 0 {
							t.Errorf("request %d: the next purge left %v", n, keys)
						}
					}
					if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Findings) > 0 {
						t.Errorf("request %d: Verify finds %+v, %v", n, report.Findings, err)
					}
					if v, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); err != nil || v.Version != "1.0.3" {
						t.Errorf("request %d: registered %s, %v", n, v.Version, err)
					}
				}
			})
		}
	}
}

// threeVersions registers 1.0.0, 1.0.1 and 1.0.2, deletes some, and returns a
// new registry.
func threeVersions(t *testing.T, b *blob.Bucket, deleted []string) *mr.ModelRegistry {
	t.Helper()
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	for range 3 {
		if _, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range deleted {
		if err := r.Delete(t.Context(), fraud.At(version), nil); err != nil {
			t.Fatal(err)
		}
	}
	return registrytest.NewOn(t, newStore(t, b, nil), nil)
}

// wantWhole checks that a version is listed or can be undeleted, and has its
// files then, or that it is purged and stays deleted.
func wantWhole(t *testing.T, r *mr.ModelRegistry, version string) (purged bool) {
	t.Helper()
	m, err := r.GetModel(t.Context(), fraud.At(version), &mr.GetOptions{Verify: true})
	var deleted *mr.DeletedError
	if errors.As(err, &deleted) {
		undeleted := r.Undelete(t.Context(), fraud.At(version), nil)
		if !deleted.Purged.IsZero() {
			if !errors.Is(undeleted, mr.ErrDeleted) {
				t.Errorf("Undelete of %s, which is purged: got error %v", version, undeleted)
			}
			return true
		}
		if undeleted != nil {
			t.Errorf("Undelete of %s: %v", version, undeleted)
			return false
		}
		m, err = r.GetModel(t.Context(), fraud.At(version), &mr.GetOptions{Verify: true})
	}
	if err != nil {
		t.Errorf("version %s: %v", version, err)
		return false
	}
	m.Close()
	return false
}
