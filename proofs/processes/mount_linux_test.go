package processes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/storetest"
	"github.com/ubunye-go/modelregistry/internal/testmount"
)

// mountTmpfs mounts a new file system on a new folder, until the test ends.
func mountTmpfs(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	mountOn(t, dir, options)
	return dir
}

// mountOn mounts a new file system on a folder, until the test ends.
func mountOn(t *testing.T, dir, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		storetest.Unavailable(t, "mounting takes root")
	}
	if err := syscall.Mount("modelregistry-test", dir, "tmpfs", 0, options); err != nil {
		storetest.Unavailable(t, err)
	}
	testmount.UnmountAfter(t, dir)
}

// Invariant 6: on a disk that is or becomes read-only, reads succeed, and every
// change fails with EROFS. When the disk can be written again, changes succeed.
func TestReadOnlyRemount(t *testing.T) {
	t.Parallel()
	dir := mountTmpfs(t, "size=4m")
	remount := func(flags uintptr) {
		t.Helper()
		err := testmount.WhileBusy(func() error { return syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, "") })
		if err != nil {
			t.Fatal(err)
		}
	}
	store := filepath.Join(dir, "store")
	r := openStore(t, store, nil)
	storetest.Register(t, r, "1.0.0", nil)
	storetest.Register(t, r, "1.1.0", nil)
	storetest.Promote(t, r, "1.1.0", mr.Production)
	for range 2 {
		remount(syscall.MS_RDONLY)
		for _, r := range []*mr.ModelRegistry{r, openStore(t, store, nil)} {
			wantReadable(t, r)
			wantRefused(t, store, r, syscall.EROFS)
			wantReadable(t, r)
		}
		_, err := openStore(t, filepath.Join(dir, "new"), nil).Register(t.Context(), fraud, storetest.Artifact(), nil)
		storetest.WantError(t, err, "register", fraud, "", syscall.EROFS)
		remount(0)
		v := storetest.Register(t, r, "", nil)
		storetest.Promote(t, r, v.Version, mr.Production)
		wantClean(t, store, r)
		storetest.WantInStep(t, store)
		storetest.WantStages(t, openStore(t, store, nil), storetest.StagesOf(t, r))
	}
}

// If versions/ is a mount of its own, a version can't be renamed into it. The
// error names the folder and the reason, and nothing is left.
func TestVersionsOnAMountOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	r := openStore(t, dir, nil)
	versions := modelPath(dir, "versions")
	if err := os.MkdirAll(versions, 0o777); err != nil {
		t.Fatal(err)
	}
	mountOn(t, versions, "size=1m")
	_, err := r.Register(t.Context(), fraud, storetest.Artifact(), nil)
	storetest.WantError(t, err, "register", fraud, "", syscall.EXDEV)
	if !strings.Contains(fmt.Sprint(err), "versions is a mount of its own") {
		t.Errorf("the error is %v, want one that says that versions is a mount of its own", err)
	}
	if list, err := r.ListVersions(t.Context(), fraud); err == nil {
		t.Errorf("listed %d versions, want none", len(list))
	}
}
