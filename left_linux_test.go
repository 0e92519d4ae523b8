//go:build amd64 || arm64

package modelregistry_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/beneath"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// lockOf opens the lock file of fraud.
func lockOf(t *testing.T, dir string) *beneath.Lock {
	t.Helper()
	root, err := beneath.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	name := path.Join(fraud.UseCase, fraud.Model, ".lock")
	lock := root.OpenLock(name, filepath.Join(dir, filepath.FromSlash(name)))
	if lock == nil {
		unavailable(t, "this kernel opens no file beneath another")
	}
	return lock
}

// showsThatItWaits has somebody show that he waits to change fraud, as another process does that then dies or gives up.
func showsThatItWaits(t *testing.T, dir string) (end func()) {
	t.Helper()
	lock := lockOf(t, dir)
	lock.Await(true)
	var ended atomic.Bool
	end = func() {
		if !ended.Swap(true) {
			if err := lock.Unlock(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(end)
	return end
}

// behind is how many bytes of events the document of fraud is behind its history.
func behind(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(modelPath(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() - documentMark(t, dir).Offset
}

// toggler moves a version to staging and back.
func toggler(t *testing.T, r *mr.ModelRegistry, version string) func() {
	up := false
	return func() {
		t.Helper()
		var err error
		if up = !up; up {
			_, err = r.Promote(t.Context(), fraud, version, mr.Staging, nil)
		} else {
			_, err = r.Demote(t.Context(), fraud, version, mr.Development, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// leaving opens a registry, which the test may close before its end, whose documents are brought up to date a while after they
// were left, and registers 1.0.0.
func leaving(t *testing.T, dir string, wait time.Duration) *mr.ModelRegistry {
	t.Helper()
	r := openStore(t, dir, nil)
	r.SetLag(1<<20, 8, wait)
	register(t, r, "1.0.0", nil)
	return r
}

// A document is left to another process that waits for its turn, up to 64 KiB of events; if nobody brings it up to date
// after all, the registry that left it does, when it is idle and when it is closed.
func TestDocumentIsLeftToWhoWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := leaving(t, dir, 50*time.Millisecond)
	move := toggler(t, r, "1.0.0")
	move()
	if n := behind(t, dir); n != 0 {
		t.Fatalf("nobody waits, and the document is %d bytes behind", n)
	}

	end := showsThatItWaits(t, dir)
	r.SetLag(1<<20, 8, time.Hour)
	var most, before int64
	wrote := 0
	for range 300 {
		move()
		n := behind(t, dir)
		if n <= before {
			wrote++
		}
		most, before = max(most, n), n
	}
	if most < 48<<10 || most > 66<<10 || wrote < 2 || wrote > 10 {
		t.Errorf("while somebody waited the document was up to %d bytes behind, and written %d times in 300 changes", most, wrote)
	}
	if got := stagesOf(t, openStore(t, dir, nil))["1.0.0"]; got != stagesOf(t, r)["1.0.0"] {
		t.Errorf("another reader sees it in %s", got)
	}
	for behind(t, dir) != 0 {
		move()
	}
	r.SetLag(1<<20, 8, 50*time.Millisecond)
	move()
	end() // without a change
	for deadline := time.Now().Add(10 * time.Second); behind(t, dir) != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody brings the document up to date")
		}
	}

	r.SetLag(1<<20, 8, time.Hour)
	showsThatItWaits(t, dir)
	if move(); behind(t, dir) == 0 {
		t.Error("the document was not left")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if n := behind(t, dir); n != 0 {
		t.Errorf("closed, and the document is %d bytes behind", n)
	}
}

func TestAlwaysCheckpointLeavesNothing(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, &mr.Options{AlwaysCheckpoint: true})
	register(t, r, "1.0.0", nil)
	showsThatItWaits(t, dir)
	move := toggler(t, r, "1.0.0")
	for range 3 {
		if move(); behind(t, dir) != 0 {
			t.Fatal("the document was left to somebody else")
		}
	}
}

// What another program wrote is recorded, and the document made ours again, whoever waits.
func TestForeignDocumentIsNotLeft(t *testing.T) {
	t.Parallel()
	r, dir := newStore(t, nil)
	register(t, r, "1.0.0", nil)
	writeBackSorted(t, modelPath(dir, "registry.json"))
	showsThatItWaits(t, dir)
	toggler(t, r, "1.0.0")()
	if n := behind(t, dir); n != 0 {
		t.Errorf("the document is %d bytes behind", n)
	}
}

// A document is left to changes of the same registry that wait, and written with the last.
func TestDocumentIsLeftToTheQueue(t *testing.T) {
	t.Parallel()
	const callers = 8
	dir := t.TempDir()
	disk := &appendDisk{}
	r, err := mr.OpenOn(dir, nil, disk.wrap)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range callers {
		register(t, r, fmt.Sprintf("1.0.%d", i), nil)
	}
	disk.documents.Store(0)
	disk.appends.Store(0)
	disk.before = func() { time.Sleep(5 * time.Millisecond) }
	done := make(chan error)
	for i := range callers {
		go func() {
			var err error
			version := fmt.Sprintf("1.0.%d", i)
			for range 4 {
				if _, err = r.Promote(context.Background(), fraud, version, mr.Staging, nil); err == nil {
					_, err = r.Demote(context.Background(), fraud, version, mr.Development, nil)
				}
				if err != nil {
					break
				}
			}
			done <- err
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := behind(t, dir); n != 0 {
		t.Errorf("everybody is done, and the document is %d bytes behind", n)
	}
	if d, a := disk.documents.Load(), disk.appends.Load(); d*4 > a*3 {
		t.Errorf("%d appends in a row wrote the document %d times", a, d)
	}
}

// An appendDisk counts appends and documents, and calls before ahead of each append.
type appendDisk struct {
	fsstore.Disk
	before             func()
	documents, appends atomic.Int64
}

func (d *appendDisk) wrap(disk fsstore.Disk) fsstore.Disk {
	d.Disk = disk
	return d
}

func (d *appendDisk) Rename(from, to string) error {
	if path.Base(to) == "registry.json" {
		d.documents.Add(1)
	}
	return d.Disk.Rename(from, to)
}

func (d *appendDisk) Open(name string) (fsstore.File, error) {
	if path.Base(name) == "history.jsonl" {
		d.appends.Add(1)
		if d.before != nil {
			d.before()
		}
	}
	return d.Disk.Open(name)
}
