package modelregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
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

// stagesInDocument are the stages as a program reads them that knows
// registry.json only.
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

// Another program changes a document that lags, and so lacks an acknowledged
// change. The registry that left it lagging records the external change and
// brings the document up to date.
func TestCatchUpRecordsAnExternalChange(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		s := pyNewStore(t)
		r := s.open()
		s.register(r, "1.0.0")
		s.register(r, "1.0.1")
		wait := 50 * time.Millisecond
		if closes {
			wait = time.Hour
		}
		r.SetLag(0, 1, wait)
		s.promote(r, "1.0.0", mr.Production)
		if documentLag(t, s.dir) == 0 {
			t.Fatal("the document does not lag")
		}
		s.pyRegister("1.0.2")
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
				t.Fatalf("registry.json has %v (closed: %v), want %v", got, closes, want)
			}
		}
		s.inStep()
		s.same(s.open())
		if diff := cmp.Diff([]string{"register 1.0.0", "register 1.0.1", "promote 1.0.0", "foreign"}, s.ops()); diff != "" {
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
