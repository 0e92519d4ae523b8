package engine

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A reader that finds a torn document reads it again. It does not keep the
// model's lock in between, so other readers go on.
func TestReaderOfATornDocumentLeavesTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := fsstore.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		m := testModel(t, s)
		register(t, m)
		document := filepath.Join(dir, m.Name.UseCase, m.Name.Model, DocumentFile)
		if err := os.WriteFile(document, []byte("{"), 0o666); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- m.Read(t.Context(), false, func(*State) error { return nil }) }()
		free := 0
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				if free < 2 {
					t.Errorf("the lock was free at %d looks while the reader waited, want 2 at least", free)
				}
				return
			case <-time.After(time.Millisecond):
				if m.mu.TryLock() {
					free++
					m.mu.Unlock()
				}
			}
		}
	})
}
