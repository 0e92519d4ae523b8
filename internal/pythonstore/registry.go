package pythonstore

import (
	"testing/fstest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// Open returns a new registry, which has read nothing yet.
func (s *Store) Open() *mr.ModelRegistry {
	s.T.Helper()
	open := s.OpenDir
	if open == nil {
		open = mr.Open
	}
	r, err := open(s.Dir, &mr.Options{Actor: "go"})
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { r.Close() })
	return r
}

// Register registers a version with metrics and metadata.
func (s *Store) Register(r *mr.ModelRegistry, version string) mr.ModelVersion {
	s.T.Helper()
	v, err := r.Register(s.T.Context(), storetest.Fraud, Artifact(version), &mr.RegisterOptions{
		Version: version, Metrics: map[string]any{"auc": 0.5, "n": 1.0, "rows": 7}, Metadata: map[string]any{"by": "go"}, Actor: "go",
	})
	if err != nil {
		s.T.Fatal(err)
	}
	return v
}

// Artifact returns an artifact of one file.
func Artifact(text string) mr.Artifact {
	return mr.FromFS(fstest.MapFS{"model.bin": {Data: []byte(text)}})
}

// Promote promotes a version.
func (s *Store) Promote(r *mr.ModelRegistry, version string, to mr.ModelStage) {
	s.T.Helper()
	if _, err := r.Promote(s.T.Context(), storetest.Fraud.At(version), to, nil); err != nil {
		s.T.Fatal(err)
	}
}

// Archive archives a version.
func (s *Store) Archive(r *mr.ModelRegistry, version string) {
	s.T.Helper()
	if _, err := r.Archive(s.T.Context(), storetest.Fraud.At(version), nil); err != nil {
		s.T.Fatal(err)
	}
}

// Demote demotes a version.
func (s *Store) Demote(r *mr.ModelRegistry, version string, to mr.ModelStage) {
	s.T.Helper()
	if _, err := r.Demote(s.T.Context(), storetest.Fraud.At(version), to, nil); err != nil {
		s.T.Fatal(err)
	}
}
