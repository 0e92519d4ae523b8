package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// beforeAppend is a disk on which something happens before lines are appended
// to a log.
type beforeAppend struct {
	fsstore.Disk
	happens *func()
}

func (d beforeAppend) Open(name string) (fsstore.File, error) {
	if do := *d.happens; do != nil && strings.HasSuffix(name, LogFile) {
		do()
	}
	return d.Disk.Open(name)
}

// The result of a read is as old as the read. It does not replace the newer
// state from which an append under way continues, even if that append was given
// up meanwhile.
func TestReadThatIsOlderThanAnAppend(t *testing.T) {
	t.Parallel()
	ctx, dir, happens := t.Context(), t.TempDir(), new(func())
	open := func() *Model {
		s, err := fsstore.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		s.Wrap(func(d fsstore.Disk) fsstore.Disk { return beforeAppend{d, happens} })
		return testModel(t, s)
	}
	promote := func(m *Model, version string) {
		t.Helper()
		err := m.Change(ctx, func(txn *Txn) (string, error) {
			_, err := txn.Move(index.Move{Op: index.OpPromote, Entry: txn.Get(version), To: index.Staging})
			return version, err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	stages := func(m *Model) map[string]string {
		t.Helper()
		list := map[string]string{}
		err := m.Read(ctx, false, func(s *State) error {
			for _, e := range s.Entries {
				list[e.Version] = e.Stage
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	m, other := open(), open()
	for range 5 {
		register(t, m)
	}
	for _, m := range []*Model{m, other} {
		m.e.Lag = Lag{Small: 0, Share: 1, Idle: time.Hour} // so that the document stays where it is
	}

	document := filepath.Join(dir, m.Name.UseCase, m.Name.Model, DocumentFile)
	touched := time.Now().Add(-time.Hour)
	if err := os.Chtimes(document, touched, touched); err != nil {
		t.Fatal(err)
	}
	since := m.state.Revision
	v, changed, err := m.look(ctx, since, false)
	if err != nil || !changed {
		t.Fatalf("news: %v, %v", changed, err)
	}
	promote(other, "1.0.0")
	*happens = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.state = nil // as by a document that could not be brought up to date
		if err := m.update(ctx, v, since); err != nil {
			t.Error(err)
		}
	}
	promote(m, "1.0.1")
	*happens = nil
	if diff := cmp.Diff(stages(open()), stages(m)); diff != "" {
		t.Errorf("stages (-as they are +as they read):\n%s", diff)
	}
}
