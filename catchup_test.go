package modelregistry_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// documentLag returns how many bytes of events the document of fraud lacks.
func documentLag(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(modelPath(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() - documentMark(t, dir).Offset
}

// Another program changes a document that lags, and so lacks an acknowledged
// change. The registry that left it lagging records the external change and
// brings the document up to date.
func TestCatchUpRecordsAnExternalChange(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		s := pythonstore.New(t)
		r := s.Open()
		s.Register(r, "1.0.0")
		s.Register(r, "1.0.1")
		wait := 50 * time.Millisecond
		if closes {
			wait = time.Hour
		}
		r.SetLag(0, 1, wait)
		s.Promote(r, "1.0.0", mr.Production)
		if documentLag(t, s.Dir) == 0 {
			t.Fatal("the document does not lag")
		}
		s.PythonRegisters("1.0.2")
		if closes {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		want := map[string]string{"1.0.0": "production", "1.0.1": "development", "1.0.2": "development"}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			got := s.StagesInDocument()
			if maps.Equal(got, want) {
				break
			}
			if closes || time.Now().After(deadline) {
				t.Fatalf("registry.json has %v (closed: %v), want %v", got, closes, want)
			}
		}
		s.WantInStep()
		s.Same(s.Open())
		if diff := cmp.Diff([]string{"register 1.0.0", "register 1.0.1", "promote 1.0.0", "foreign"}, s.Ops()); diff != "" {
			t.Error(diff)
		}
	}
}

// Catching up does not create a store again that was moved away.
func TestCatchUpDoesNotCreateAStore(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		dir := t.TempDir() + "/store"
		r := openStore(t, dir, nil)
		register(t, r, "1.0.0", nil)
		r.SetLag(0, 1, 50*time.Millisecond)
		promote(t, r, "1.0.0", mr.Staging)
		if err := os.Rename(dir, dir+"-moved"); err != nil {
			t.Fatal(err)
		}
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

// A document under 1 MiB has every acknowledged change, also when several
// processes and goroutines change the model at once.
func TestSmallDocumentIsRewrittenAfterEveryChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const registries, changes = 2, 20
	done := make(chan error)
	for i := range registries {
		r := openStore(t, dir, nil)
		version := fmt.Sprintf("1.0.%d", i)
		register(t, r, version, nil)
		go func() {
			for range changes {
				if _, err := r.Promote(context.Background(), fraud.At(version), mr.Staging, nil); err != nil {
					done <- err
					return
				}
				if _, err := r.Demote(context.Background(), fraud.At(version), mr.Development, nil); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range registries {
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := documentLag(t, dir); n > 1<<10 { // the other registry's last change may be under way
			t.Errorf("the document lacks %d bytes of events, want at most one change", n)
		}
	}
	if n := documentLag(t, dir); n != 0 {
		t.Errorf("the document lacks %d bytes of events, want 0", n)
	}
}
