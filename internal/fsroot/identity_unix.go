//go:build unix

package fsroot

import (
	"io/fs"
	"os"
	"syscall"
)

// Identity returns the device and the inode of a file. They are zero on systems
// that do not report them.
func Identity(info fs.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino)
	}
	return 0, 0
}

// Links returns how many names a file has. It is 1 on systems that do not
// report it.
func Links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// setGroup gives a file the group of another one, if they differ and the user
// may.
func setGroup(root *os.Root, name string, now, like fs.FileInfo) {
	is, ok := now.Sys().(*syscall.Stat_t)
	want, known := like.Sys().(*syscall.Stat_t)
	if ok && known && is.Gid != want.Gid {
		_ = root.Lchown(name, -1, int(want.Gid))
	}
}
