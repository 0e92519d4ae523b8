//go:build amd64 || arm64

package beneath

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A fast resolves names by openat2(2), which confines them to a folder. Its methods report
// whether they did what they were asked; what they did not is tried again by os.Root.
type fast struct {
	file *os.File
	conn syscall.RawConn // keeps the descriptor from being closed while it is in use; nil for none
	path string
}

const (
	openat2        = 437
	resolveBeneath = 0x08
)

// openPath opens a file for a stat, or a folder for names in it, without a right to read it (O_PATH).
const openPath = 0x200000

// missing notes that the system does not have the call, or forbids it.
var missing atomic.Bool

func openFast(root *os.Root, path string) (f fast) {
	file, err := root.Open(".")
	if err != nil {
		return f
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return f
	}
	return fast{file, conn, path}
}

func (f *fast) close() {
	if f.file != nil {
		f.file.Close()
	}
}

// at calls op with the folder's descriptor.
func (f *fast) at(op func(dir int) error) bool {
	if f.conn == nil || missing.Load() {
		return false
	}
	var done bool
	err := f.conn.Control(func(fd uintptr) { done = op(int(fd)) == nil })
	return err == nil && done
}

// open opens a file, or says why there is none; both are nil if that is for os.Root to say.
func (f *fast) open(name string, flag int, perm fs.FileMode) (file *os.File, err error) {
	f.at(func(dir int) error {
		fd, failed := openBeneath(dir, name, flag, perm)
		switch failed {
		case nil:
			file = os.NewFile(uintptr(fd), filepath.Join(f.path, filepath.FromSlash(name)))
		case syscall.ENOENT:
			err = &fs.PathError{Op: "open", Path: name, Err: failed}
		}
		return failed
	})
	return file, err
}

func openBeneath(dir int, name string, flag int, perm fs.FileMode) (fd int, err error) {
	how := struct{ flags, mode, resolve uint64 }{uint64(flag) | syscall.O_CLOEXEC | syscall.O_LARGEFILE, 0, resolveBeneath}
	if flag&os.O_CREATE != 0 {
		how.mode = uint64(perm.Perm())
	}
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	for {
		n, _, errno := syscall.Syscall6(openat2, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
			continue
		case syscall.ENOSYS:
			missing.Store(true)
		}
		return 0, errno
	}
}

// within calls op with the folder that a name stands in, and its last element.
func (f *fast) within(name string, op func(dir int, base string) error) bool {
	return f.at(func(dir int) error {
		above, base := path.Split(name)
		if !isName(base) {
			return syscall.EINVAL
		}
		if above == "" {
			return op(dir, base)
		}
		parent, err := openBeneath(dir, above, openPath|syscall.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer syscall.Close(parent)
		return op(parent, base)
	})
}

// isName reports whether the last element of a name is one of a file.
func isName(base string) bool { return base != "" && base != "." && base != ".." }

func (f *fast) mkdir(name string, perm fs.FileMode) bool {
	return f.within(name, func(dir int, base string) error { return syscall.Mkdirat(dir, base, uint32(perm.Perm())) })
}

// remove removes a file.
func (f *fast) remove(name string) bool { return f.within(name, syscall.Unlinkat) }

// rename leaves alone what would take the place of a folder, even an empty one: os.Root refuses it.
func (f *fast) rename(from, to string) bool {
	return f.within(from, func(fromDir int, fromBase string) error {
		move := func(toDir int, toBase string) error {
			switch there, err := openBeneath(toDir, toBase, openPath|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0); err {
			case nil:
				syscall.Close(there)
				return syscall.EEXIST
			case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP:
				return syscall.Renameat(fromDir, fromBase, toDir, toBase)
			default:
				return err
			}
		}
		fromAbove, _ := path.Split(from)
		if above, base := path.Split(to); above == fromAbove && isName(base) {
			return move(fromDir, base)
		}
		if !f.within(to, move) {
			return syscall.EINVAL
		}
		return nil
	})
}

func (f *fast) setTime(name string, t time.Time) bool {
	const omit = 1<<30 - 2 // UTIME_OMIT: the time of the last access stays
	times := [2]syscall.Timespec{{Nsec: omit}, syscall.NsecToTimespec(t.UnixNano())}
	return f.within(name, func(dir int, base string) error {
		p, err := syscall.BytePtrFromString(base)
		if err != nil {
			return err
		}
		const noFollow = 0x100
		if _, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&times)), noFollow, 0, 0); errno != 0 {
			return errno
		}
		return nil
	})
}
