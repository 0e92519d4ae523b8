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

// ballast makes files that take some room, which fill's free gives back.
func ballast(t *testing.T, dir string) (names []string) {
	t.Helper()
	for i := range 20 {
		names = append(names, filepath.Join(dir, fmt.Sprint("ballast", i)))
		storetest.WriteFile(t, names[i], strings.Repeat("x", 1<<13))
	}
	return names
}

// fill takes all that is left of a disk, to the last byte or file. free gives it
// back, and the ballast with it.
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

// Invariant 6: on a full disk changes fail with ENOSPC. All that was stored
// stays, and nothing is left of a change that failed. Once there is room again,
// changes succeed.
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
			dir := mountTmpfs(t, tt.options)
			store := filepath.Join(dir, "store")
			r := openStore(t, store, nil)
			weight := ballast(t, dir)
			want := map[string]mr.ModelStage{}
			var err error
			for i := 0; err == nil; i++ { // a growing artifact each, until one does not fit
				if i > 1000 {
					t.Fatal("it does not fill up")
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
			for i := range 200 { // each takes some bytes of the history, and no further file
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
			if tt.inodes != (failed == 0) { // a checkpoint that can't be written fails no change
				t.Errorf("%d promotions failed", failed)
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

// Invariant 6: a first registration that finds no room leaves nothing at all.
func TestFullDiskFirstRegistration(t *testing.T) {
	t.Parallel()
	dir := mountTmpfs(t, "size=1m")
	store := filepath.Join(dir, "a", "store")
	r := openStore(t, store, nil)
	_, err := r.Register(t.Context(), fraud, mr.FromFS(fstest.MapFS{"w": {Data: make([]byte, 2<<20)}}), nil)
	storetest.WantError(t, err, "register", fraud, "", syscall.ENOSPC)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	storetest.Register(t, r, "", nil)
	wantClean(t, store, r)
}
