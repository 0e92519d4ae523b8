//go:build linux && (amd64 || arm64)

package fsstore

import (
	"io/fs"
	"syscall"
	"unsafe"

	"github.com/ubunye-go/modelregistry/internal/beneath"
)

const (
	atCwd           = -100
	symlinkNoFollow = 0x100
)

// lstat is the system call that the syscall package has no exported form of that does
// not copy the path to the heap. Each answer from memory takes three.
func lstat(dir, name string) (Stamp, error) {
	var st syscall.Stat_t
	errno, ok := statAt(dir, name, symlinkNoFollow, &st)
	if !ok {
		return slowStamp(dir, name)
	}
	switch errno {
	case 0:
	case syscall.ENOENT:
		return Stamp{}, nil
	default:
		return Stamp{}, &fs.PathError{Op: "lstat", Path: name, Err: errno}
	}
	return Stamp{Exists: true, Dir: st.Mode&syscall.S_IFMT == syscall.S_IFDIR, Size: st.Size, Time: st.Mtim.Nano(), FileID: FileID{uint64(st.Dev), st.Ino}}, nil
}

// gone reports whether a path leads to another folder than it did, or nowhere.
func gone(path string, was fs.FileInfo) bool {
	var st syscall.Stat_t
	device, inode := beneath.Identity(was)
	errno, ok := statAt(path, ".", 0, &st)
	if !ok {
		return slowGone(path, was)
	}
	return errno == syscall.ENOENT || errno == syscall.ENOTDIR || errno == 0 && (uint64(st.Dev) != device || st.Ino != inode)
}

// statAt is the call. It reports false if the path is too long for it.
func statAt(dir, name string, flags uintptr, st *syscall.Stat_t) (errno syscall.Errno, ok bool) {
	var room [512]byte
	if len(dir)+len(name)+len("/\x00") > len(room) {
		return 0, false
	}
	path := append(append(append(append(room[:0], dir...), '/'), name...), 0)
	cwd := atCwd
	_, _, errno = syscall.Syscall6(fstatat, uintptr(cwd), uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(st)), flags, 0, 0)
	return errno, true
}
