package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ubunye-go/modelregistry/internal/storetest"
	"github.com/ubunye-go/modelregistry/internal/testmount"
)

// A Volume is a mounted file system. Its files are below Dir.
type Volume struct {
	Dir   string
	kind  Kind
	image string  // or the source of the mount
	disk  *Volume // the volume with the image, if it is not on the machine's own file system
}

// size returns the size of the image, which is a sparse file. xfs needs at
// least 300 MiB. A disk needs room for an image.
func (v *Volume) size() int64 {
	if v.disk != nil {
		return 400 << 20
	}
	return 1 << 30
}

// New makes and mounts a file system for the duration of the test.
func New(t testing.TB, kind Kind) *Volume {
	t.Helper()
	return NewAt(t, kind, folder(t))
}

// NewAt is New for a file system that is mounted on a given folder, which it
// makes.
func NewAt(t testing.TB, kind Kind, dir string) *Volume {
	t.Helper()
	v := &Volume{Dir: dir, kind: kind, image: filepath.Join(t.TempDir(), "disk.img")}
	v.mountForTest(t)
	return v
}

// folder makes a temporary folder that other users can enter. Its name is
// short, because the path of a socket must be short.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// NewOnDisk is New for a file system whose image is on an ext4 of its own.
// [Volume.Cut] shuts that ext4 down. That takes the disk away from the file
// system, which loses what it wrote and did not flush, whatever its kind.
func NewOnDisk(t testing.TB, kind Kind) *Volume {
	t.Helper()
	disk := New(t, Ext4)
	v := &Volume{Dir: folder(t), kind: kind, image: filepath.Join(disk.Dir, "disk.img"), disk: disk}
	v.mountForTest(t)
	return v
}

// NewOverlay mounts an overlayfs for the duration of the test. The files that
// bake writes to its folder are the lower layer, which the overlay can't
// change.
func NewOverlay(t testing.TB, bake func(dir string)) *Volume {
	t.Helper()
	base, dir := New(t, Ext4), folder(t)
	layer := func(name string) string { return filepath.Join(base.Dir, name) }
	for _, name := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(layer(name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	bake(layer("lower"))
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", layer("lower"), layer("upper"), layer("work"))
	v := &Volume{Dir: dir, image: "overlay", kind: Kind{Name: "overlayfs", mount: []string{"-t", "overlay", "-o", layers}}}
	v.mountForTest(t)
	return v
}

// mountForTest makes the file system and mounts it.
func (v *Volume) mountForTest(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		storetest.Unavailable(t, v.kind.Name+": mounting needs root")
	}
	for _, cmd := range [][]string{v.kind.mkfs, v.kind.check} {
		if cmd == nil {
			continue
		}
		if _, err := exec.LookPath(cmd[0]); err != nil {
			storetest.Unavailable(t, fmt.Errorf("%s: %w", v.kind.Name, err))
		}
	}
	if err := os.MkdirAll(v.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if v.kind.mkfs != nil {
		if err := errors.Join(sparse(v.image, v.size()), command(append(v.kind.mkfs, v.image)...)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := v.Unmount(); err != nil {
			t.Error(errors.Join(err, command("umount", "--lazy", v.Dir)))
		}
	})
	if err := v.Mount(); err != nil {
		storetest.Unavailable(t, fmt.Errorf("%s: %w", v.kind.Name, err))
	}
}

func sparse(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// Mount mounts the volume. A journal, if there is one, is replayed.
func (v *Volume) Mount() error {
	args := append([]string{"mount"}, v.kind.mount...)
	if v.kind.mkfs != nil {
		args = append(args, "-o", "loop") // the loop device is removed with the mount
	}
	return command(append(args, v.image, v.Dir)...)
}

// Unmount unmounts the volume if it is mounted. It waits a while for processes
// that still have a file open there, such as a process that was just killed.
func (v *Volume) Unmount() error {
	if !v.mounted() {
		return nil
	}
	return testmount.Unmount(v.Dir)
}

func (v *Volume) mounted() bool {
	var at, above unix.Stat_t
	return unix.Stat(v.Dir, &at) != nil || unix.Stat(filepath.Dir(v.Dir), &above) != nil || at.Dev != above.Dev
}

// Remount mounts the volume again after a cut, checked if its kind needs that.
func (v *Volume) Remount() error {
	if err := v.Unmount(); err != nil {
		return err
	}
	if v.disk != nil {
		if err := v.disk.Remount(); err != nil {
			return err
		}
	}
	if v.kind.check != nil {
		var exit *exec.ExitError
		if err := command(append(v.kind.check, v.image)...); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
			return err // 1: errors were found and repaired
		}
	}
	return v.Mount()
}

// The flags of Cut, which are XFS_FSOP_GOING_FLAGS_… and EXT4_GOING_FLAGS_….
const (
	FlushAll = 0 // memory is written first
	FlushLog = 1 // the journal is written first
	NoFlush  = 2 // nothing is written: a power cut
)

// goingDown is _IOR('X', 125, __u32), the ioctl of xfs, ext4 and f2fs.
const goingDown = 0x8004587d

// Cut shuts the volume down, or the disk with its image. From then on nothing
// reaches the disk, and data that was only in memory is lost.
func (v *Volume) Cut(flags int) error {
	if v.disk != nil {
		return v.disk.Cut(flags)
	}
	f, err := os.Open(v.Dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("shutdown", unix.IoctlSetPointerInt(int(f.Fd()), goingDown, flags))
}

// command runs a command of the system. It ends within a minute.
func command(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second // a server in user space may keep the output open
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
