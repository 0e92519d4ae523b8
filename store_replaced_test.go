package modelregistry_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// onMovingGround calls fn with a store that is not there yet, in a bubble.
func onMovingGround(t *testing.T, fn func(t *testing.T, dir string)) {
	t.Parallel()
	notOnWindows(t)
	synctest.Test(t, func(t *testing.T) { fn(t, filepath.Join(t.TempDir(), "a", "store")) })
}

func notOnWindows(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file or folder that a program has open can't be deleted or renamed there")
	}
}

func removeAll(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// A watch sees a store appear, and goes on when a model or the whole store is
// deleted, moved away, put back or created again.
func TestWatchOfWhatIsDeletedAndMadeAgain(t *testing.T) {
	onMovingGround(t, func(t *testing.T, dir string) {
		w := watch(t, openStore(t, dir, nil), fraud.In(mr.Production), 0)
		defer w.stop()
		w.want("not found")
		for _, step := range []struct {
			do   func()
			want []string
		}{
			{func() { inProduction(t, openStore(t, dir, nil), "1.0.0") }, []string{"1.0.0 production"}},
			{func() { removeAll(t, modelPath(dir)) }, []string{"not found"}},
			{func() { inProduction(t, openStore(t, dir, nil), "1.0.0") }, []string{"1.0.0 production"}},
			{func() { removeAll(t, dir) }, []string{"not found"}},
			{func() { inProduction(t, openStore(t, dir, nil), "1.0.0", "1.0.1") }, []string{"1.0.1 production"}},
			{func() { // between two looks
				removeAll(t, dir)
				inProduction(t, openStore(t, dir, nil), "1.0.0", "2.0.0")
			}, []string{"2.0.0 production"}},
			{func() { os.Rename(dir, dir+".aside") }, []string{"not found"}},
			{func() { os.Rename(dir+".aside", dir) }, []string{"2.0.0 production"}},
		} {
			step.do()
			time.Sleep(time.Second)
			w.want(step.want...)
			time.Sleep(time.Hour)
			w.want()
		}
	})
}

func TestLiveWhoseStoreIsDeletedAndMadeAgain(t *testing.T) {
	onMovingGround(t, func(t *testing.T, dir string) {
		inProduction(t, openStore(t, dir, nil), "1.0.0")
		p := newPlant(t)
		l := goLive(t, openStore(t, dir, nil), fraud.In(mr.Production), p, nil)
		removeAll(t, dir)
		tick()
		wantServing(t, l, "1.0.0")
		if s := l.Status(); !errors.Is(s.LastError, mr.ErrNotFound) {
			t.Errorf("status %+v", s)
		}
		inProduction(t, openStore(t, dir, nil), "1.0.0", "1.0.1")
		tick()
		wantServing(t, l, "1.0.1")
		p.want("made 1.0.0 1.0.1, closed 1.0.0")
	})
}

// A reader of a model without a document notices that the store was deleted,
// too.
func TestStoreThatIsDeletedUnderAHistoryAlone(t *testing.T) {
	onMovingGround(t, func(t *testing.T, dir string) {
		inProduction(t, openStore(t, dir, nil), "1.0.0")
		if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
			t.Fatal(err)
		}
		r := openStore(t, dir, nil)
		wantStages(t, r, map[string]mr.ModelStage{"1.0.0": mr.Production})
		removeAll(t, dir)
		_, err := r.GetVersion(t.Context(), fraud.In(mr.Production))
		wantError(t, err, "get", fraud, "", mr.ErrNotFound)
	})
}

// If a store is deleted while a registry has it open, the registry writes to
// the store in its place, and makes one if there is none.
func TestWritingToAStoreThatWasMadeAgain(t *testing.T) {
	onMovingGround(t, func(t *testing.T, dir string) {
		r := openStore(t, dir, nil)
		inProduction(t, r, "1.0.0")
		removeAll(t, dir)
		inProduction(t, openStore(t, dir, nil), "1.0.0", "1.0.1")
		promote(t, r, "1.0.0", mr.Production)
		register(t, r, "1.0.2", nil)
		want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Archived, "1.0.2": mr.Development}
		wantStages(t, r, want)
		wantStages(t, openStore(t, dir, nil), want)
		removeAll(t, dir)
		register(t, r, "1.0.0", nil)
		want = map[string]mr.ModelStage{"1.0.0": mr.Development}
		wantStages(t, r, want)
		wantStages(t, openStore(t, dir, nil), want)
		wantFindings(t, dir)
	})
}

// If another store is put in the place of an open one, the registry reads the
// new one, although the old one still exists.
func TestReadingAStoreThatTookAnothersPlace(t *testing.T) {
	t.Parallel()
	notOnWindows(t)
	dir := t.TempDir()
	store, other := filepath.Join(dir, "store"), filepath.Join(dir, "other")
	swap := func() {
		t.Helper()
		aside := filepath.Join(dir, "aside")
		if err := errors.Join(os.Rename(store, aside), os.Rename(other, store), os.Rename(aside, other)); err != nil {
			t.Fatal(err)
		}
	}
	r := openStore(t, store, nil)
	inProduction(t, r, "1.0.0")
	if err := os.CopyFS(other, os.DirFS(store)); err != nil {
		t.Fatal(err)
	}
	inProduction(t, openStore(t, other, nil), "1.0.1")
	for range 2 {
		for _, version := range []string{"1.0.0", "1.0.1"} {
			time.Sleep(50 * time.Millisecond) // no file is so young that it is read for that
			for range 2 {
				if v, err := r.GetVersion(t.Context(), fraud.In(mr.Production)); err != nil || v.Version != version {
					t.Errorf("%s is in production, %v; want %s", v.Version, err, version)
				}
			}
			swap()
		}
	}
}
