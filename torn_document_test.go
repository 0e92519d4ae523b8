package modelregistry

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
)

// A reader that finds a torn document reads it again. It does not keep the
// model's lock in between, so other readers go on.
func TestReaderOfATornDocumentLeavesTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := t.Context()
	if _, err := r.Register(ctx, fuzzName, FromFS(fstest.MapFS{"weights.bin": {Data: []byte("weights")}}), nil); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(dir, fuzzName.UseCase, fuzzName.Model, documentFile)
	if err := os.WriteFile(document, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := r.model(fuzzName)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := r.ListVersions(ctx, fuzzName)
		done <- err
	}()
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
}
