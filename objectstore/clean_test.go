package objectstore_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob/memblob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// Purge removes the uploads that Sweep would remove, and trees that were put
// aside long ago. It spares what may be under way, also if it purges now.
func TestPurgeRemovesDeadUploads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memblob.OpenBucket(nil)
		t.Cleanup(func() { b.Close() })
		r := registrytest.NewOn(t, newStore(t, b, nil), nil)
		registrytest.Put(t, r, fraud.At("1.0.0"), files)
		dead, orphan := newStore(t, b, nil), fraud.String()+"/.orphans/1.0.9-00000000000000000000000000000000/"
		seal(t, dead)
		foreign := fraud.String() + "/.orphans/notes/readme.txt"
		for key, text := range map[string]string{orphan + "manifest.json": "{}", orphan + "model/w": "w", foreign: "mine"} {
			if err := b.WriteAll(t.Context(), key, []byte(text), nil); err != nil {
				t.Fatal(err)
			}
		}
		purge := func(o mr.PurgeOptions, want ...string) {
			t.Helper()
			report, err := r.Purge(t.Context(), fraud, &o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range report.Remains {
				got = append(got, fmt.Sprintf("%s: %d files", f.Kind, f.Files))
				if f.Bytes == 0 || f.Removed != o.Apply {
					t.Errorf("%+v: removed must be %v, with a size", f, o.Apply)
				}
				if left := len(keysOf(t, b, f.Path+"/")); (left == 0) != o.Apply {
					t.Errorf("%s: %d objects are left", f.Path, left)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("with %+v (-want +got):\n%s", o, diff)
			}
		}
		purge(mr.PurgeOptions{Now: true}, "orphan: 2 files")
		purge(mr.PurgeOptions{Apply: true})
		time.Sleep(25 * time.Hour)
		purge(mr.PurgeOptions{OlderThan: 48 * time.Hour}, "staging: 1 files")
		purge(mr.PurgeOptions{OlderThan: 48 * time.Hour, Apply: true}, "staging: 1 files")
		time.Sleep(24 * time.Hour)
		purge(mr.PurgeOptions{OlderThan: 48 * time.Hour, Apply: true}, "orphan: 2 files")
		purge(mr.PurgeOptions{Now: true, Apply: true})
		if err := b.Delete(t.Context(), foreign); err != nil {
			t.Errorf("what is not ours was removed: %v", err)
		}
		if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Findings) > 0 {
			t.Errorf("Verify finds %+v, %v", report, err)
		}
		if err := dead.Close(); err != nil {
			t.Error(err)
		}
	})
}
