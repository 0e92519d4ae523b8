//go:build linux && (amd64 || arm64)

package fsstore

import (
	"io/fs"
	"syscall"
	"unsafe"
)

const (
	atCwd           = -100
	symlinkNoFollow = 0x100
)

// lstat is the system call that the syscall package has no exported form of that does
// not copy the path to the heap. Each answer from memory takes three.
func lstat(dir, name string) (Stamp, error) {
	var room [512]byte
	if len(dir)+len(name)+len("/\x00") > len(room) {
		return slowStamp(dir, name)
	}
	path := append(append(append(append(room[:0], dir...), '/'), name...), 0)
	var st syscall.Stat_t
	cwd := atCwd
	_, _, errno := syscall.Syscall6(fstatat, uintptr(cwd), uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(&st)), symlinkNoFollow, 0, 0)
	switch errno {
	case 0:
	case syscall.ENOENT:
		return Stamp{}, nil
	default:
		return Stamp{}, &fs.PathError{Op: "lstat", Path: name, Err: errno}
	}
	return Stamp{Exists: true, Dir: st.Mode&syscall.S_IFMT == syscall.S_IFDIR, Size: st.Size, Time: st.Mtim.Nano(), Inode: st.Ino}, nil
}
