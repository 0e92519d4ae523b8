package objectstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A Live whose download stands still goes on looking, although the download
// takes all transfers that the store may make at a time. The status has how far
// it is. The next promotion is followed at once.
func TestLiveLooksWhileADownloadStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, b := newFaulty(t)
		setUp := mr.New(newStore(t, b, nil), nil)
		promote := func(version string) {
			t.Helper()
			if _, err := setUp.Promote(t.Context(), fraud.At(version), mr.Production, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, version := range []string{"1.0.0", "1.0.1", "1.0.2"} {
			registrytest.Put(t, setUp, fraud.At(version),
				fstest.MapFS{"config.txt": {Data: []byte("1234567")}, "weights.bin": {Data: []byte(version)}})
			promote(version) // which downloads it to the cache of setUp
		}
		promote("1.0.0")
		r := mr.New(newStore(t, b, &objectstore.Options{Parallel: 1}), nil)
		load := func(_ context.Context, m *mr.Model) (string, error) {
			data, err := os.ReadFile(filepath.Join(m.Path, "weights.bin"))
			return string(data), err
		}
		live, err := mr.NewLive(t.Context(), r, fraud.In(mr.Production), load, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer live.Close()
		serves := func(version string) {
			t.Helper()
			synctest.Wait()
			live.Do(func(got string, _ *mr.ModelVersion) error {
				if got != version {
					t.Errorf("it serves %s, want %s; its status is %+v", got, version, live.Status())
				}
				return nil
			})
		}
		serves("1.0.0")
		f.set(func() {
			f.stall = func(op, key string) bool {
				return op == "get" && strings.HasSuffix(key, "versions/1.0.1/model/weights.bin")
			}
		})
		promote("1.0.1")
		time.Sleep(10 * time.Second)
		serves("1.0.0")
		s := live.Status()
		if s.Wanted != "1.0.1" || s.Loading != "1.0.1" || time.Since(s.LastCheck) > time.Second {
			t.Errorf("the status is %+v, want 1.0.1 wanted and loading, and a check within the last second", s)
		}
		if since := time.Since(s.LoadingSince); since < 8*time.Second || s.Fetched < 7 || s.Fetched >= s.FetchTotal {
			t.Errorf("the status is %+v, want it loading since more than 8 seconds, 7 bytes or more fetched, and not all", s)
		}
		promote("1.0.2")
		time.Sleep(2 * time.Second)
		serves("1.0.2")
	})
}

// A look of Watch downloads no file of a version.
func TestWatchDownloadsNothing(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.In(mr.Production), files)
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "get" && strings.Contains(key, "/model/") {
				t.Errorf("it downloads %s, want no file of the artifact", key)
			}
			return nil
		}
	})
	for v, err := range mr.New(newStore(t, b, nil), nil).Watch(t.Context(), fraud.In(mr.Production), nil) {
		if err != nil || v.Version != "1.0.0" {
			t.Errorf("got version %q, error %v, want 1.0.0", v.Version, err)
		}
		break
	}
}
