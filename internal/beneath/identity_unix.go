//go:build unix

package beneath

import (
	"io/fs"
	"syscall"
)

// Identity returns what tells a file from all others that are there with it, zeros where that is unknown.
func Identity(info fs.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino)
	}
	return 0, 0
}
