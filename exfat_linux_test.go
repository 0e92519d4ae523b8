package modelregistry_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/testmount"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// mountExfat mounts an exFAT file system of its own through FUSE, until the
// test ends. It ignores case, has stamps of whole seconds, and gives each
// spelling of a name an inode of its own.
func mountExfat(t *testing.T) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "mounting takes root")
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			unavailable(t, fmt.Sprintf("%s %q: %v: %s", name, args, err, out))
		}
		return strings.TrimSpace(string(out))
	}
	base := t.TempDir()
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "mount")
	writeFile(t, image, "")
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	run("mkfs.exfat", image)
	device := run("losetup", "--find", "--show", image)
	t.Cleanup(func() { exec.Command("losetup", "--detach", device).Run() })
	run("mount.exfat-fuse", device, dir)
	testmount.UnmountAfter(t, dir)
	return dir
}

// exFAT ignores case: a model is found by its own spelling only.
func TestExfatNames(t *testing.T) {
	t.Parallel()
	dir := mountExfat(t)
	open := func(t *testing.T, dir string) *mr.ModelRegistry { return openStore(t, dir, nil) }
	for i, pair := range casePairs() {
		t.Run(fmt.Sprintf("%+q for %+q", pair[1], pair[0]), func(t *testing.T) {
			store := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(store, 0o777); err != nil {
				t.Fatal(err)
			}
			otherSpelling(t, store, open, pair[0], pair[1])
		})
	}
}

func TestExfatFolderConforms(t *testing.T) {
	t.Parallel()
	dir := mountExfat(t)
	open := func() (mr.Store, error) { return mr.NewFolderStore(dir, nil) }
	registrytest.TestStore(t, open, &registrytest.StoreOptions{Lossy: registrytest.LossyByFaults(open), LoseIndex: loseIndex(dir)})
}
