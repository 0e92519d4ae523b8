package modelregistry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// beforeAppend is a disk on which something happens before lines are appended
// to a log.
type beforeAppend struct {
	fsstore.Disk
	happens *func()
}

func (d beforeAppend) Open(name string) (fsstore.File, error) {
	if do := *d.happens; do != nil && strings.HasSuffix(name, logFile) {
		do()
	}
	return d.Disk.Open(name)
}

// What a look found is as old as the look: it does not take the state back
// behind what an append under way goes on from, even if that was given up
// meanwhile.
func TestLookThatIsOlderThanAnAppend(t *testing.T) {
	t.Parallel()
	ctx, dir, happens := t.Context(), t.TempDir(), new(func())
	open := func() *ModelRegistry {
		r, err := OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return beforeAppend{d, happens} })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	promote := func(r *ModelRegistry, version string) {
		t.Helper()
		if _, err := r.Promote(ctx, fuzzName.At(version), Staging, nil); err != nil {
			t.Fatal(err)
		}
	}
	stages := func(r *ModelRegistry) map[string]ModelStage {
		t.Helper()
		list, err := r.ListVersions(ctx, fuzzName)
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]ModelStage{}
		for _, v := range list {
			m[v.Version] = v.Stage
		}
		return m
	}
	r, other := open(), open()
	for range 5 {
		if _, err := r.Register(ctx, fuzzName, FromFS(fstest.MapFS{"weights.bin": {Data: []byte("weights"), Mode: 0o644}}), nil); err != nil {
			t.Fatal(err)
		}
	}
	r.SetLag(0, 1, time.Hour) // so that the document stays where it is
	other.SetLag(0, 1, time.Hour)

	document := filepath.Join(dir, fuzzName.UseCase, fuzzName.Model, documentFile)
	touched := time.Now().Add(-time.Hour)
	if err := os.Chtimes(document, touched, touched); err != nil {
		t.Fatal(err)
	}
	m, err := r.model(fuzzName)
	if err != nil {
		t.Fatal(err)
	}
	since := m.state.rev
	v, changed, err := m.news(ctx, since, false)
	if err != nil || !changed {
		t.Fatalf("news: %v, %v", changed, err)
	}
	promote(other, "1.0.0")
	*happens = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.state = nil // as by a document that could not be brought up to date
		if err := m.takeIn(ctx, v, since); err != nil {
			t.Error(err)
		}
	}
	promote(r, "1.0.1")
	if diff := cmp.Diff(stages(open()), stages(r)); diff != "" {
		t.Errorf("stages (-as they are +as they read):\n%s", diff)
	}
}
