package modelregistry_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// Watch downloads nothing. It waits for files that are not in the store.
func TestWatchDownloadsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r, setUp := newRemote(t)
		inProduction(t, setUp, "1.0.0")
		register(t, setUp, "1.0.1", nil)
		s.hold("1.0.0")
		w := watch(t, r, fraud.In(mr.Production), 0)
		w.want("1.0.0 production")
		promote(t, setUp, "1.0.1", mr.Production)
		weights := modelPath(s.dir, "versions", "1.0.1", "model", "weights.bin")
		aside := filepath.Join(t.TempDir(), "weights.bin")
		for _, part := range []string{"", "wei"} {
			if err := os.Rename(weights, aside); err != nil {
				t.Fatal(err)
			}
			if part != "" {
				writeFile(t, weights, part)
			}
			time.Sleep(time.Minute)
			w.want("artifact")
			if err := os.Rename(aside, weights); err != nil {
				t.Fatal(err)
			}
			tick()
			w.want("1.0.1 production")
			promote(t, setUp, "1.0.0", mr.Production)
			tick()
			w.want("1.0.0 production")
			promote(t, setUp, "1.0.1", mr.Production)
		}
		w.stop()
		wantFetched(t, s, "")
	})
}

// The files of a version without a manifest are complete when they stop
// changing. That is seen without a download.
func TestWatchDownloadsNothingOfAVersionWithoutManifest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := handWritten(t, [2]string{"1.0.0", `{"stage": "production"}`})
		s, r := openRemote(t, dir)
		w := watch(t, r, fraud.In(mr.Production), 0)
		w.want()
		for i := range 3 { // another program uploads it
			writeFile(t, modelPath(dir, "versions", "1.0.0", "model", fmt.Sprintf("part%d.bin", i)), "weights")
			tick()
			w.want()
		}
		tick()
		w.want("1.0.0 production")
		w.stop()
		wantFetched(t, s, "")
	})
}
