package modelregistry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// If another program left two versions in production, the one that is shown as
// archived can be deleted.
func TestDeleteOfTwoProductions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ deleted, left string }{{"1.0.0", "production"}, {"1.0.1", "archived"}} {
		s := pythonstore.New(t)
		r := s.Open()
		for _, v := range []string{"1.0.0", "1.0.1", "1.0.2"} {
			s.Register(r, v)
		}
		s.Promote(r, "1.0.0", modelregistry.Production)
		s.PythonSets("1.0.1", "stage", `"production"`) // it is shown as the one in production
		if err := r.Delete(t.Context(), fraud.At(tt.deleted), &modelregistry.KeepOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"1.0.0": tt.left, "1.0.1": tt.left, "1.0.2": "development"}
		delete(want, tt.deleted)
		if diff := cmp.Diff(want, pythonstore.Stages(s.Same(r))); diff != "" {
			t.Errorf("after the deletion of %s (-want +got):\n%s", tt.deleted, diff)
		}
		s.WantSound()
	}
}

// Undelete of a version that Ubunye deleted fails, because its files are gone,
// whether the deletion is recorded or not.
func TestUndeleteAfterPythonDeletes(t *testing.T) {
	t.Parallel()
	for _, recorded := range []bool{true, false} {
		s := pythonstore.New(t)
		r := s.Open()
		s.Register(r, "1.0.0")
		s.Register(r, "1.0.1")
		s.PythonDeletes("1.0.0")
		if recorded {
			s.Archive(r, "1.0.1")
		}
		if err := r.Undelete(t.Context(), fraud.At("1.0.0"), nil); !errors.Is(err, modelregistry.ErrArtifact) {
			t.Errorf("recorded %t: got error %v, want ErrArtifact", recorded, err)
		}
		if _, err := r.GetVersion(t.Context(), fraud.At("1.0.0")); !errors.Is(err, modelregistry.ErrDeleted) {
			t.Errorf("recorded %t: GetVersion then fails with %v, want ErrDeleted", recorded, err)
		}
		s.WantSound()
	}
}

// The key of a deleted version is not forgotten when Python gives its number to
// another version, and that one is deleted and listed again.
func TestKeyOfANumberGivenAgain(t *testing.T) {
	t.Parallel()
	for _, recorded := range []bool{true, false} {
		s := pythonstore.New(t)
		r := s.Open()
		s.Register(r, "1.0.0")
		register := func() error {
			_, err := r.Register(t.Context(), fraud, pythonstore.Artifact("x"), &modelregistry.RegisterOptions{Once: "run-1"})
			return err
		}
		if err := register(); err != nil {
			t.Fatal(err)
		}
		s.PythonDeletes("1.0.1")
		if recorded {
			s.Archive(r, "1.0.0")
		}
		s.PythonRegisters("1.0.1")
		for i, change := range []func() error{
			func() error {
				return r.Delete(t.Context(), fraud.At("1.0.1"), &modelregistry.KeepOptions{Force: true})
			},
			func() error { return r.Undelete(t.Context(), fraud.At("1.0.1"), nil) },
		} {
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if err := register(); !errors.Is(err, modelregistry.ErrExists) {
				t.Errorf("recorded %t, after change %d: got error %v, want ErrExists", recorded, i, err)
			}
		}
		s.Same(r)
		s.WantSound()
	}
}

// Python copies the entry of a deleted version if it writes a document that
// lags. That is no doubt. Only a change of that entry is lost.
func TestPythonCopiesADeletedEntry(t *testing.T) {
	t.Parallel()
	for changed, doubts := range map[string]int{"1.0.1": 0, "1.0.0": 1} {
		s := pythonstore.New(t)
		r := s.Open()
		for _, v := range []string{"1.0.0", "1.0.1", "1.0.2"} {
			s.Register(r, v)
		}
		r.SetLag(-1, 1, time.Hour)
		if err := r.Delete(t.Context(), fraud.At("1.0.0"), nil); err != nil {
			t.Fatal(err)
		}
		s.PythonSets(changed, "stage", `"staging"`)
		s.Register(r, "1.0.3")
		if list := s.Doubted(r); len(list) != doubts {
			t.Errorf("Python changes %s: Verify doubts %q, want %d", changed, list, doubts)
		}
		if _, err := r.GetVersion(t.Context(), fraud.At("1.0.0")); !errors.Is(err, modelregistry.ErrDeleted) {
			t.Errorf("Python changes %s: got error %v, want ErrDeleted", changed, err)
		}
		s.Same(r)
		s.WantSound()
	}
}

// Purge brings a document that lags up to date before it removes files, because
// Python would look for the files of the versions that it lists.
func TestPurgeWritesTheDocumentFirst(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	r := s.Open()
	s.Register(r, "1.0.0")
	s.Register(r, "1.0.1")
	s.Register(r, "1.0.2")
	s.Register(r, "1.0.3")
	r.SetLag(-1, 1, time.Hour)
	if err := r.Delete(t.Context(), fraud.At("1.0.0"), nil); err != nil {
		t.Fatal(err)
	}
	if got := s.StagesInDocument(); len(got) != 4 {
		t.Fatalf("the document lists %v, want that it lags", got)
	}
	if _, err := r.Purge(t.Context(), fraud, &modelregistry.PurgeOptions{Now: true, Apply: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"1.0.1": "development", "1.0.2": "development", "1.0.3": "development"}, s.StagesInDocument()); diff != "" {
		t.Errorf("the document after Purge (-want +got):\n%s", diff)
	}
}
