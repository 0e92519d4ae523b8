package artifact

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// Versions that are checked at once share a limit of files that are hashed at
// once. A file that is over the limit waits for another one to end.
func TestHashingWaitsForTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var files []manifestEntry
		for i := range 4 {
			name := fmt.Sprint(i)
			if err := os.WriteFile(filepath.Join(dir, name), make([]byte, hashAlone), 0o666); err != nil {
				t.Fatal(err)
			}
			files = append(files, manifestEntry{Path: name, Size: hashAlone})
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		meter := NewMeter(func(Progress) {})
		hashing := make(limit, 1)
		hashing <- struct{}{} // by another version
		done := make(chan error)
		go func() { done <- hashFiles(t.Context(), root, files, hashing, meter) }()
		synctest.Wait()
		if meter.now.Hashed != 0 {
			t.Errorf("%d bytes are hashed over the limit", meter.now.Hashed)
		}
		<-hashing
		if err := <-done; err != nil || meter.now.Hashed != 4*hashAlone {
			t.Errorf("%d bytes are hashed in the end, %v", meter.now.Hashed, err)
		}
	})
}
