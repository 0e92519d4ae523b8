package pythonstore

import (
	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// WantSound checks that Verify reports no problem.
func (s *Store) WantSound() {
	s.T.Helper()
	report, err := s.Open().Verify(s.T.Context(), nil)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, f := range report.Problems() {
		s.T.Errorf("Verify reports %v, want no problem", f)
	}
}

// Doubted returns the versions of which Verify reports a doubt.
func (s *Store) Doubted(r *mr.ModelRegistry) (list []string) {
	s.T.Helper()
	report, err := r.Verify(s.T.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
	if err != nil {
		s.T.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Kind == mr.ExternalDoubt {
			list = append(list, f.Version)
		}
	}
	return list
}

// WantInStep checks that the registry wrote the document, and that the document
// is at the last event.
func (s *Store) WantInStep() {
	s.T.Helper()
	storetest.WantInStep(s.T, s.Dir)
}
