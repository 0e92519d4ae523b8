package modelregistry_test

import (
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A change that is under way is neither reported by Verify nor repaired.
func TestVerifyBesideWriters(t *testing.T) {
	t.Parallel()
	dir := three(t)
	r := openStore(t, dir, nil)
	defer writeWithoutEnd(t, dir)()
	for range 40 {
		report, err := r.Verify(t.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("found %v, %v", report.Findings, err)
		}
		if plan, err := r.Repair(t.Context(), fraud, &mr.RepairOptions{Apply: true}); err != nil || len(plan.Actions) > 0 {
			t.Errorf("repaired %v, %v", plan.Actions, err)
		}
	}
}

// A closedDisk is that of a user who may not write, and finds no lock file.
type closedDisk struct{ fsstore.Disk }

func (d closedDisk) Lstat(name string) (fs.FileInfo, error) {
	if name == path.Join(fraud.UseCase, fraud.Model, ".lock") {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return d.Disk.Lstat(name)
}

func (d closedDisk) Make(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// A user who may not write can't take the lock, and finds nothing either. Real
// damage is found all the same.
func TestVerifyWithoutWriteRights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := three(t)
		r, err := mr.OpenOn(dir, nil, func(d fsstore.Disk) fsstore.Disk { return closedDisk{d} })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		verify := func() []mr.Finding {
			t.Helper()
			report, err := r.Verify(t.Context(), &mr.VerifyOptions{WithoutArtifacts: true})
			if err != nil {
				t.Fatal(err)
			}
			return report.Findings
		}
		writer := openStore(t, dir, nil)
		for range 20 {
			// While verify waits for a change to end, the bubble's clock
			// stands still until it has ended.
			var ended atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				defer ended.Store(true)
				v, err := writer.Register(t.Context(), fraud, artifact(), nil)
				if err == nil {
					_, err = writer.Promote(t.Context(), fraud.At(v.Version), mr.Production, nil)
				}
				if err != nil {
					t.Error(err)
				}
			})
			for !ended.Load() {
				if found := verify(); len(found) > 0 {
					t.Errorf("found %v", found)
				}
			}
			wg.Wait()
		}
		if err := os.Remove(modelPath(dir, "registry.json")); err != nil {
			t.Fatal(err)
		}
		if found := verify(); len(found) != 1 || found[0].Kind != mr.DocumentMissing {
			t.Errorf("found %v, want that the document is missing", found)
		}
	})
}

// writeWithoutEnd registers and promotes one version after the other until stop
// is called.
func writeWithoutEnd(t *testing.T, dir string) (stop func()) {
	writer := openStore(t, dir, nil)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			v, err := writer.Register(t.Context(), fraud, artifact(), nil)
			if err == nil {
				_, err = writer.Promote(t.Context(), fraud.At(v.Version), mr.Production, nil)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	return func() {
		close(ended)
		wg.Wait()
	}
}
