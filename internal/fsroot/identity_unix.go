//go:build unix

package fsroot

import (
	"io/fs"
	"syscall"
)

// Identity returns the device and the inode of a file, zeros where the system
// does not tell them.
func Identity(info fs.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino)
	}
	return 0, 0
}
