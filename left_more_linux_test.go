//go:build amd64 || arm64

package modelregistry_test

import (
	"context"
	"path"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A change that somebody waited for, and that then finds nothing to write, brings the document up to date that was left to
// it: when both have returned, another program may take its turn.
func TestWhoWaitedWithNothingToWriteWritesTheDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held := &heldDisk{}
	r, err := mr.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { held.Disk = d; return held })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	other := openStore(t, dir, nil)
	register(t, r, "1.0.0", nil)
	if got := stagesOf(t, other)["1.0.0"]; got != mr.Development {
		t.Fatal(got)
	}
	lock := lockOf(t, dir)
	defer lock.Unlock()
	done := make(chan error)
	held.append = func() {
		go func() {
			_, err := other.Promote(context.Background(), fraud, "1.0.0", mr.Staging, nil)
			done <- err
		}()
		for deadline := time.Now().Add(10 * time.Second); !lock.Awaited(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("nobody waits")
				return
			}
		}
	}
	promote(t, r, "1.0.0", mr.Staging)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := len(history(t, dir)); n != 2 {
		t.Errorf("the history has %d events", n)
	}
	if n := behind(t, dir); n != 0 {
		t.Errorf("both have returned, and the document is %d bytes behind", n)
	}
}

// A heldDisk calls append, once, before the log is opened for the next append.
type heldDisk struct {
	fsstore.Disk
	append func()
}

func (d *heldDisk) Open(name string) (fsstore.File, error) {
	if call := d.append; call != nil && path.Base(name) == "history.jsonl" {
		d.append = nil
		call()
	}
	return d.Disk.Open(name)
}
