package processes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// ballast makes files that take some space. The free function that fill returns
// removes them.
func ballast(t *testing.T, dir string) (names []string) {
	t.Helper()
	for i := range 20 {
		names = append(names, filepath.Join(dir, fmt.Sprint("ballast", i)))
		storetest.WriteFile(t, names[i], strings.Repeat("x", 1<<13))
	}
	return names
}

// fill uses a disk's free space to the last byte or file. free removes the
// files that fill made, and the ballast.
func fill(t *testing.T, dir string, names []string, inodes bool) (free func()) {
	t.Helper()
	for {
		name := filepath.Join(dir, fmt.Sprint("filler", len(names)))
		f, err := os.Create(name)
		if err == nil {
			names = append(names, name)
			if !inodes {
				_, err = f.Write(make([]byte, 1<<16))
			}
			f.Close()
		}
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				t.Error(err)
			}
		}
	}
}

// fullDisk is mountTmpfs for a disk that becomes full. Until the test ends, no
// other test starts a process: it would share the open files of a failed
// change until its program is loaded, and so keep their space when they are
// removed.
func fullDisk(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = mountTmpfs(t, options)
	syscall.ForkLock.RLock()
	t.Cleanup(syscall.ForkLock.RUnlock)
	return dir
}

// Invariant 6: on a full disk, changes fail with ENOSPC. What was stored stays,
// and a failed change leaves nothing. When the disk has space again, changes
// succeed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, options string
		inodes        bool
	}{
		{"bytes", "size=1m", false},
		{"inodes", "size=8m,nr_inodes=100", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := fullDisk(t, tt.options)
			store := filepath.Join(dir, "store")
			r := openStore(t, store, nil)
			weight := ballast(t, dir)
			want := map[string]mr.ModelStage{}
			var err error
			for i := 0; err == nil; i++ { // each artifact is larger, until one does not fit
				if i > 1000 {
					t.Fatal("1000 registrations succeeded, want one to find the disk full")
				}
				var v mr.ModelVersion
				if v, err = r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, i*8192)}}), nil); err == nil {
					want[v.Version] = mr.Development
				}
			}
			storetest.WantError(t, err, "register", fraud, "", syscall.ENOSPC)
			if diff := cmp.Diff(want, wantClean(t, store, r)); diff != "" {
				t.Error(diff)
			}
			free := fill(t, dir, weight, tt.inodes)
			failed := 0
			for i := range 200 { // each takes some bytes in the history, but no new file
				version, to := fmt.Sprintf("1.0.%d", i%len(want)), []mr.ModelStage{mr.Staging, mr.Production}[i/len(want)%2]
				if want[version] == to || want[version] == mr.Production {
					continue
				}
				_, err := r.Promote(t.Context(), fraud.At(version), to, nil)
				if err == nil {
					for v, stage := range want {
						if stage == mr.Production && to == mr.Production {
							want[v] = mr.Archived
						}
					}
					want[version] = to
				} else {
					failed++
					storetest.WantError(t, err, "promote", fraud, version, syscall.ENOSPC)
				}
			}
			_, err = r.Register(t.Context(), fraud, storetest.Artifact(), nil)
			storetest.WantError(t, err, "register", fraud, "", syscall.ENOSPC)
			if diff := cmp.Diff(want, wantClean(t, store, r)); diff != "" {
				t.Error(diff)
			}
			if tt.inodes != (failed == 0) { // a change succeeds even if the checkpoint can't be written
				t.Errorf("%d promotions failed, want failures only when the bytes run out", failed)
			}
			free()
			v := storetest.Register(t, r, "", nil)
			storetest.Promote(t, r, v.Version, mr.Staging)
			want[v.Version] = mr.Staging
			if diff := cmp.Diff(want, wantClean(t, store, r)); diff != "" {
				t.Error(diff)
			}
			storetest.WantInStep(t, store)
		})
	}
}

// Invariant 6: a first registration that finds the disk full leaves nothing.
func TestFullDiskFirstRegistration(t *testing.T) {
	t.Parallel()
	dir := fullDisk(t, "size=1m")
	store := filepath.Join(dir, "a", "store")
	r := openStore(t, store, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, 2<<20)}}), nil)
	storetest.WantError(t, err, "register", fraud, "", syscall.ENOSPC)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the folder holds %v, %v, want nothing", left, err)
	}
	storetest.Register(t, r, "", nil)
	wantClean(t, store, r)
}
