//go:build amd64 || arm64

package beneath

import (
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A fast resolves names by openat2(2), which confines them to a folder. What its methods do
// not do is tried again by os.Root. A nil one does nothing.
//
// It is a mere descriptor, for os.File takes a system call more, and one that is counted as the poller does
// allocates whenever it is used.
type fast struct {
	fd     int
	users  atomic.Int64 // calls under way; less than 0 when it is closed
	listed atomic.Bool  // by the descriptor itself
	forgot runtime.Cleanup
}

const (
	openat2 = 437
	closing = math.MinInt64 / 2 // added to the users

	resolveNoSymlinks = 0x04
	resolveBeneath    = 0x08
)

const (
	openPath = 0x200000           // a file for a stat, or a folder for names in it, without a right to read it (O_PATH)
	noFollow = syscall.O_NOFOLLOW // a symlink itself
)

// missing notes that the system does not have the call, or forbids it.
var missing atomic.Bool

func openFast(path string) *fast {
	if missing.Load() {
		return nil
	}
	fd, err := again(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil
	}
	f := &fast{fd: fd}
	f.forgot = runtime.AddCleanup(f, func(fd int) { syscall.Close(fd) }, fd)
	return f
}

// again repeats a call that a signal interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// enter keeps the descriptor from being closed until leave. It reports false if there is none to use.
func (f *fast) enter() bool {
	if f == nil || missing.Load() {
		return false
	}
	for {
		n := f.users.Load()
		if n < 0 {
			return false
		}
		if f.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (f *fast) leave() {
	if f.users.Add(-1) == closing {
		syscall.Close(f.fd)
	}
}

func (f *fast) close() error {
	if f == nil {
		return nil
	}
	for {
		n := f.users.Load()
		if n < 0 {
			return fs.ErrClosed
		}
		if !f.users.CompareAndSwap(n, n+closing) {
			continue
		}
		f.forgot.Stop()
		if n == 0 {
			return syscall.Close(f.fd)
		}
		return nil // the last user does it
	}
}

// root returns the folder as an os.Root: by its path, or if that leads elsewhere by now, by the descriptor.
func (f *fast) root(path string) (*os.Root, error) {
	var here syscall.Stat_t
	if err := syscall.Fstat(f.fd, &here); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	var failed error
	for _, name := range []string{path, "/proc/self/fd/" + strconv.Itoa(f.fd)} {
		root, err := os.OpenRoot(name)
		if err == nil {
			var info fs.FileInfo
			if info, err = root.Stat("."); err == nil {
				if there := info.Sys().(*syscall.Stat_t); there.Dev == here.Dev && there.Ino == here.Ino {
					return root, nil
				}
				err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			root.Close()
		}
		if failed == nil {
			failed = err
		}
	}
	return nil, failed
}

// open opens a file, or says why there is none; both are nil if that is for os.Root to say.
func (f *fast) open(name string, flag int, perm fs.FileMode) (fd int, ok bool, err error) {
	if !f.enter() {
		return 0, false, nil
	}
	defer f.leave()
	switch fd, err := openBeneath(f.fd, name, flag, perm); err {
	case nil:
		return fd, true, nil
	case syscall.ENOENT:
		return 0, false, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return 0, false, nil
}

// openOS opens a file for the standard library.
func (f *fast) openOS(dir, name string, flag int) (*os.File, error) {
	fd, ok, err := f.open(name, flag, 0)
	if !ok {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir, filepath.FromSlash(name))), nil
}

func (f *fast) openFile(name string, flag int, perm fs.FileMode) (File, error) {
	fd, ok, err := f.open(name, flag, perm)
	if !ok {
		return nil, err
	}
	return &file{fd, name}, nil
}

// longName is how long a name may be that costs no allocation.
const longName = 256

func openBeneath(dir int, name string, flag int, perm fs.FileMode) (fd int, err error) {
	return openHow(dir, name, flag, perm, resolveBeneath)
}

func openHow(dir int, name string, flag int, perm fs.FileMode, resolve uint64) (fd int, err error) {
	how := struct{ flags, mode, resolve uint64 }{uint64(flag) | syscall.O_CLOEXEC | syscall.O_LARGEFILE, 0, resolve}
	if flag&os.O_CREATE != 0 {
		how.mode = uint64(perm.Perm())
	}
	if strings.IndexByte(name, 0) >= 0 {
		return 0, syscall.EINVAL
	}
	var room [longName]byte
	p := append(append(room[:0], name...), 0)
	for {
		n, _, errno := syscall.Syscall6(openat2, uintptr(dir), uintptr(unsafe.Pointer(&p[0])), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
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

// within calls op with the folder that a name stands in, and its last element. It reports whether that was done.
func (f *fast) within(name string, op func(dir int, base string) error) bool {
	if !f.enter() {
		return false
	}
	defer f.leave()
	return within(f.fd, name, op) == nil
}

func within(dir int, name string, op func(dir int, base string) error) error {
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
		return within(f.fd, to, move)
	})
}
