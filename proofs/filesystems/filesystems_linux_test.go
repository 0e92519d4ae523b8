//go:build !race

// Under the race detector, the root package runs the same tests on the
// machine's own file system.

package filesystems

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ubunye-go/modelregistry/internal/storetest"
	"github.com/ubunye-go/modelregistry/proofs/internal/volume"
)

// Every test of this package runs on each fileSystem.
type fileSystem struct {
	name  string
	mount func(testing.TB) *volume.Volume
}

var fileSystems = []fileSystem{
	of(volume.Ext4),
	of(volume.Ext4NoJournal),
	of(volume.Ext4SmallInodes),
	of(volume.XFS),
	of(volume.Btrfs),
	of(volume.Tmpfs),
	{name: "overlayfs", mount: func(t testing.TB) *volume.Volume { return volume.NewOverlay(t, func(string) {}) }},
	of(volume.ExFAT),
}

func of(kind volume.Kind) fileSystem {
	return fileSystem{name: kind.Name, mount: func(t testing.TB) *volume.Volume { return volume.New(t, kind) }}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	for _, fs := range fileSystems {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			v := fs.mount(t)
			l := &lifecycle{T: t, store: filepath.Join(v.Dir, "store")}
			l.run()
			if fs.name == volume.Tmpfs.Name {
				return // it keeps no files
			}
			if err := v.Remount(); err != nil {
				t.Fatal(err)
			}
			l.reopen()
		})
	}
}

// The store is in a lower layer, as in a container's image. Its files are
// copied up when they are written, and its folders can't be renamed.
func TestLifecycleOnALowerLayer(t *testing.T) {
	t.Parallel()
	l := &lifecycle{T: t}
	v := volume.NewOverlay(t, func(dir string) {
		baked := &lifecycle{T: t, store: filepath.Join(dir, "store")}
		baked.run()
		l.versions, l.production = baked.versions, baked.production
	})
	l.store = filepath.Join(v.Dir, "store")
	l.reopen()
	l.run()
	l.reopen()
}

func TestRootPackage(t *testing.T) {
	if !storetest.MustRunAll() {
		t.Skip("the test takes minutes; MODELREGISTRY_TEST_ALL=1 runs it, as .ci/run does")
	}
	t.Parallel()
	packages := []string{".", "proofs/crash", "proofs/processes"}
	programs := map[string]string{}
	for _, pkg := range packages {
		programs[pkg] = buildTests(t, pkg)
	}
	for _, fs := range fileSystems {
		if fs.name == volume.ExFAT.Name {
			continue // it lacks links, pipes and many names; the root package runs the store's suite on it
		}
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(fs.mount(t).Dir, "t")
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			for _, pkg := range packages {
				runTests(t, programs[pkg], pkg, dir)
			}
		})
	}
}
