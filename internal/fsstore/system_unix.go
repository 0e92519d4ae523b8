//go:build unix

package fsstore

import (
	"io/fs"
	"os"
	"syscall"
)

// A lock file that is a symlink is refused, not followed.
const noFollow = syscall.O_NOFOLLOW

func syncFile(f *os.File) error { return f.Sync() }

func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
