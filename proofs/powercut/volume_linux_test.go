package powercut

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// unavailable skips a test that needs what this machine does not have; where all tests must run,
// it fails.
func unavailable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("MODELREGISTRY_TEST_ALL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// A volume is a file system in a file, mounted on a folder.
type volume struct {
	image, dir string
}

// minVolume is the smallest that xfs accepts.
const minVolume = 320 << 20

// newVolume makes a volume that is mounted on a folder of this name.
func newVolume(t *testing.T, name, mkfs string, args ...string) *volume {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "mounting needs root")
	}
	if _, err := exec.LookPath(mkfs); err != nil {
		unavailable(t, "%v", err)
	}
	base := t.TempDir()
	v := &volume{image: filepath.Join(base, "disk.img"), dir: filepath.Join(base, name)}
	if err := os.MkdirAll(v.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(v.image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(minVolume); err != nil {
		t.Fatal(err)
	}
	if err := command(mkfs, append(args, "-q", v.image)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if v.mounted() {
			if err := command("umount", "--lazy", v.dir); err != nil {
				t.Error(err)
			}
		}
	})
	if err := v.mount(); err != nil {
		unavailable(t, "a loop device: %v", err)
	}
	return v
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}

// mount mounts the volume, which replays its journal after a cut.
func (v *volume) mount() error { return command("mount", "-o", "loop", v.image, v.dir) }

func (v *volume) unmount() error { return command("umount", v.dir) }

func (v *volume) mounted() bool {
	var at, above unix.Stat_t
	return unix.Stat(v.dir, &at) != nil || unix.Stat(filepath.Dir(v.dir), &above) != nil || at.Dev != above.Dev
}

// How a file system goes down: XFS_FSOP_GOING_FLAGS_… and EXT4_GOING_FLAGS_….
const (
	flushAll  = 0          // what is in memory is written first
	flushLog  = 1          // the journal is
	noFlush   = 2          // nothing is: a power cut
	goingDown = 0x8004587d // _IOR('X', 125, __u32), of xfs, ext4 and f2fs alike
)

// cut shuts the file system down.
func (v *volume) cut(flags int) error {
	f, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("shutdown", unix.IoctlSetPointerInt(int(f.Fd()), goingDown, flags))
}
