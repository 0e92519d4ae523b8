package pythonstore

import (
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// A Line has the values of a version that tests compare.
type Line struct {
	Version, Stage                       string
	Registered, Staged, Served, Archived time.Time
	Metrics, Metadata                    string
	Run, Hash, By, RegisteredBy          string
	Problems                             []string
}

// Lines returns a line for each version.
func Lines(list []mr.ModelVersion) []Line {
	lines := make([]Line, len(list))
	for i, v := range list {
		lines[i] = Line{v.Version, string(v.Stage), v.RegisteredAt, v.PromotedToStaging, v.PromotedToProduction, v.ArchivedAt,
			v.Metrics.String(), v.Metadata.String(), v.LineageRunID, v.ConfigHash, v.PromotedBy, v.RegisteredBy, v.Problems}
	}
	return lines
}

// Stages maps each version to its stage.
func Stages(lines []Line) map[string]string {
	m := map[string]string{}
	for _, l := range lines {
		m[l.Version] = l.Stage
	}
	return m
}

// List returns the versions that r lists.
func (s *Store) List(r *mr.ModelRegistry) []Line {
	s.T.Helper()
	list, err := r.ListVersions(s.T.Context(), storetest.Fraud)
	if err != nil {
		s.T.Fatal(err)
	}
	return Lines(list)
}

// Same checks that r, a new registry, and a new one without the document list
// the same versions. It returns them.
func (s *Store) Same(r *mr.ModelRegistry) []Line {
	s.T.Helper()
	want := s.List(r)
	if diff := cmp.Diff(want, s.List(s.Open())); diff != "" {
		s.T.Errorf("versions (-of the open registry +of a new one):\n%s", diff)
	}
	copied := filepath.Join(s.T.TempDir(), "replayed")
	if err := os.CopyFS(copied, os.DirFS(s.Dir)); err != nil {
		s.T.Fatal(err)
	}
	replayed := At(s.T, copied)
	replayed.OpenDir = s.OpenDir
	replayed.Remove("registry.json")
	if diff := cmp.Diff(want, replayed.List(replayed.Open())); diff != "" {
		s.T.Errorf("versions (-of the open registry +of the history alone):\n%s", diff)
	}
	return want
}
