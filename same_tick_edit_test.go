package modelregistry_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"
)

// An edit that keeps the size and the inode of a document is noticed at once,
// also in the tick of the clock in which the document was written.
func TestEditRightAfterAWriteShows(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", map[string]any{"auc": 100})
	name := modelPath(dir, "registry.json")
	for i := range 50 {
		register(t, r, "", nil)
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(info.ModTime()); age < 20*time.Millisecond {
			t.Fatalf("the document is dated %v ago, within what a clock may not tell apart", age)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		edited := bytes.Replace(data, fmt.Appendf(nil, `"auc": %d`, 100+i), fmt.Appendf(nil, `"auc": %d`, 101+i), 1)
		if err := os.WriteFile(name, edited, 0o666); err != nil {
			t.Fatal(err)
		}
		v, err := r.GetVersion(t.Context(), fraud.At("1.0.0"))
		if auc, _ := v.Metrics.Float("auc"); err != nil || auc != float64(101+i) {
			t.Fatalf("edit %d does not show: %v, %v", i, v.Metrics, err)
		}
	}
}
