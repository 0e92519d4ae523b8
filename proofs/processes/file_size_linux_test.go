package processes

import (
	"fmt"
	"os"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// Invariant 6: with a limit on the size of a file, a change whose artifact or
// event is too large fails with EFBIG. If only the document is too large,
// changes succeed.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T, n int) (dir string, history, document int64) {
		dir = t.TempDir()
		r := openStore(t, dir, nil)
		for range n {
			storetest.Register(t, r, "", manyMetrics())
		}
		size := func(name string) int64 {
			info, err := os.Stat(modelPath(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return info.Size()
		}
		return dir, size("history.jsonl"), size("registry.json")
	}
	limit := func(n int64) string { return fmt.Sprintf("%s=%d", sizeLimitVariable, n) }
	t.Run("artifact", func(t *testing.T) {
		t.Parallel()
		dir, _, _ := prepare(t, 1)
		run(t, "find the artifact too large", dir, limit(1<<18))
		wantClean(t, dir, openStore(t, dir, nil))
	})
	t.Run("history", func(t *testing.T) {
		t.Parallel()
		dir, history, _ := prepare(t, 3)
		check := sameFiles(t, dir)
		run(t, "find files too large", dir, limit(history+20)) // in the middle of the line
		check()
		r := openStore(t, dir, nil)
		storetest.Register(t, r, "", nil)
		wantClean(t, dir, r)
		storetest.WantInStep(t, dir)
	})
	t.Run("document", func(t *testing.T) {
		t.Parallel()
		dir, history, document := prepare(t, 8)
		if document < history+2000 {
			t.Fatalf("the document has %d bytes, the history %d, want the document larger by 2000", document, history)
		}
		run(t, "register, with the document too large", dir, limit(history+1500))
		r := openStore(t, dir, nil)
		wantClean(t, dir, r)
		storetest.Register(t, r, "", nil)
		storetest.WantInStep(t, dir)
	})
}
