// Package pythonstore is a fixture for tests: a store that Python, an editor
// and the registry write in turns. It knows the documents that Python writes.
// It must not know how the registry merges them.
package pythonstore

import (
	"os"
	"path/filepath"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// A Store is the folder of a store, and the test that uses it.
type Store struct {
	T       *testing.T
	Dir     string
	OpenDir func(dir string, opts *mr.Options) (*mr.ModelRegistry, error) // mr.Open if nil
}

// New returns an empty store.
func New(t *testing.T) *Store {
	t.Helper()
	return At(t, t.TempDir())
}

// At returns the store in a folder.
func At(t *testing.T, dir string) *Store { return &Store{T: t, Dir: dir} }

// Copy returns a copy of the store in a folder.
func Copy(t *testing.T, from string) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return At(t, dir)
}

// Path returns the path of a file in the model's folder.
func (s *Store) Path(name string) string {
	return filepath.Join(s.Dir, storetest.Fraud.UseCase, storetest.Fraud.Model, filepath.FromSlash(name))
}

// Read returns a file of the model's folder.
func (s *Store) Read(name string) []byte {
	s.T.Helper()
	data, err := storetest.ReadFile(s.Path(name))
	if err != nil {
		s.T.Fatal(err)
	}
	return data
}

// Write writes a file in place, as Python does.
func (s *Store) Write(name string, data []byte) {
	s.T.Helper()
	if err := os.MkdirAll(filepath.Dir(s.Path(name)), 0o777); err != nil {
		s.T.Fatal(err)
	}
	if err := os.WriteFile(s.Path(name), data, 0o666); err != nil {
		s.T.Fatal(err)
	}
}

// Remove removes a file or folder of the model's folder.
func (s *Store) Remove(name string) {
	s.T.Helper()
	if err := os.RemoveAll(s.Path(name)); err != nil {
		s.T.Fatal(err)
	}
}

// WriteTrees writes the artifacts of versions as Python does, without a
// manifest.
func (s *Store) WriteTrees(versions ...string) {
	s.T.Helper()
	for _, v := range versions {
		s.Write("versions/"+v+"/model/model.txt", []byte("weights of "+v+"\n"))
		s.Write("versions/"+v+"/metadata.json", []byte("{}"))
		s.Write("versions/"+v+"/metrics.json", []byte("{}"))
	}
}

// BlockCheckpoint makes writes of the document fail.
func (s *Store) BlockCheckpoint() {
	s.T.Helper()
	s.Write(".registry.json.tmp/in-the-way", nil)
}

// UnblockCheckpoint undoes BlockCheckpoint.
func (s *Store) UnblockCheckpoint() { s.Remove(".registry.json.tmp") }
