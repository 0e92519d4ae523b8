//go:build unix

package processes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

// workerVariable is the variable in a writer's environment that names its
// workers.
const workerVariable = "MODELREGISTRY_PROCESSES_WORKER"

func init() {
	tasks["write until killed"] = writeUntilKilled
	tasks["read until killed"] = readUntilKilled
	tasks["save and wait"] = saveAndWait
}

// writeUntilKilled writes until it is killed. Two workers use one registry, so
// that their changes share appends. Half of the writers kill themselves at a
// random operation of their disk, so that kills also fall on short steps of a
// change. Nothing is synced, because a kill does not empty the system's caches.
func writeUntilKilled(t *testing.T, dir string) {
	store, err := fsstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	faulty := &crashtest.Faulty{}
	store.Wrap(func(d fsstore.Disk) fsstore.Disk { return faulty.Wrap(crashtest.NoSync{Disk: d}) })
	r := mr.New(store, nil)
	defer r.Close()
	if rand.IntN(2) == 0 {
		faulty.Fail(crashtest.Fault{At: 1 + rand.IntN(400), Kills: true})
	}
	notes := ledger.NewNotebook(os.NewFile(3, "notes"))
	var wg sync.WaitGroup
	for i := range 2 {
		w := &ledger.Worker{Name: fmt.Sprintf("%s.%d", os.Getenv(workerVariable), i), Registry: r, Model: fraud, Notes: notes}
		wg.Go(func() { t.Error(w.Run(t.Context())) })
	}
	wg.Wait()
}

// readUntilKilled reads until it is killed. It compares the digests of versions
// that it chooses at random.
func readUntilKilled(t *testing.T, dir string) {
	r := openStore(t, dir, nil)
	read(t, dir, func() bool {
		list, err := r.ListVersions(t.Context(), fraud)
		if errors.Is(err, mr.ErrNotFound) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return false
		}
		v := list[rand.IntN(len(list))]
		if err := ledger.Whole(modelPath(dir), v.Version, v.ManifestSHA256); err != nil && !isPurged(t, r, v.Version) {
			t.Fatal(err)
		}
		return false
	})
}

// saveAndWait registers a version, and writes the path of its staging folder to
// the notes. It then waits for its input before it completes the save.
func saveAndWait(t *testing.T, dir string) {
	r := openStore(t, dir, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
		notes := os.NewFile(3, "notes")
		defer notes.Close()
		err := os.WriteFile(filepath.Join(dir, "a.bin"), []byte("half of it"), 0o666)
		fmt.Fprintln(notes, filepath.Dir(dir))
		_, readErr := os.Stdin.Read(make([]byte, 1))
		return errors.Join(err, readErr)
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
}
