//go:build amd64 || arm64

package modelregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
)

// stagesInDocument are the stages as a program reads them that knows registry.json only.
func stagesInDocument(t *testing.T, dir string) map[string]mr.ModelStage {
	t.Helper()
	data, err := os.ReadFile(modelPath(dir, "registry.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Versions map[string]struct{ Stage mr.ModelStage }
	}
	if err := json.Unmarshal(bytes.ReplaceAll(data, []byte("NaN"), []byte("null")), &doc); err != nil {
		t.Fatal(err)
	}
	stages := map[string]mr.ModelStage{}
	for version, v := range doc.Versions {
		stages[version] = v.Stage
	}
	return stages
}

// A change that somebody waited for, and that then finds nothing to write, brings the document up to date that was left to
// it: when both have returned, another program may take its turn.
func TestWhoWaitedWithNothingToWriteWritesTheDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := &appendDisk{}
	r, err := mr.OpenOn(dir, nil, disk.wrap)
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
	disk.before = func() {
		disk.before = nil
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

// A document that another program wrote on one that was left behind, and so without what was acknowledged, does not stay so
// when everybody is done.
func TestForeignTurnOnADocumentThatWasLeft(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		s := pyNewStore(t)
		r := s.open()
		r.SetLag(1<<20, 8, 50*time.Millisecond)
		s.register(r, "1.0.0")
		s.register(r, "1.0.1")
		if closes {
			r.SetLag(1<<20, 8, time.Hour)
		}
		end := showsThatItWaits(t, s.dir)
		s.promote(r, "1.0.0", mr.Production)
		if behind(t, s.dir) == 0 {
			t.Fatal("the document was not left")
		}
		s.pyRegister("1.0.2")
		end()
		if closes {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		want := map[string]mr.ModelStage{"1.0.0": mr.Production, "1.0.1": mr.Development, "1.0.2": mr.Development}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			got := stagesInDocument(t, s.dir)
			if maps.Equal(got, want) {
				break
			}
			if closes || time.Now().After(deadline) {
				t.Fatalf("everybody is done (closed: %v), and registry.json has %v", closes, got)
			}
		}
		s.inStep()
		s.same(s.open())
		if diff := cmp.Diff([]string{"register 1.0.0", "register 1.0.1", "promote 1.0.0", "foreign"}, s.ops()); diff != "" {
			t.Error(diff)
		}
	}
}

// Who left a document behind does not make a store anew that was taken away since.
func TestDocumentLeftInAStoreThatIsGone(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		dir := t.TempDir() + "/store"
		r := leaving(t, dir, 50*time.Millisecond)
		end := showsThatItWaits(t, dir)
		toggler(t, r, "1.0.0")()
		if err := os.Rename(dir, dir+"-moved"); err != nil {
			t.Fatal(err)
		}
		end()
		if closes {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		} else {
			time.Sleep(200 * time.Millisecond)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("the store is there again (closed: %v)", closes)
		}
	}
}

// Somebody who shows that he waits, and is stopped, does not keep a document behind for as long as the model is changed.
func TestDocumentIsNotLeftForLong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := leaving(t, dir, 100*time.Millisecond)
	showsThatItWaits(t, dir)
	move := toggler(t, r, "1.0.0")
	var before int64
	for range 50 { // some 35 KiB
		move()
		n := behind(t, dir)
		if n <= before {
			return
		}
		before = n
		time.Sleep(30 * time.Millisecond)
	}
	t.Errorf("the document is %d bytes behind, and nobody brings it up to date", before)
}
