//go:build darwin || freebsd || netbsd

package filestat

import (
	"io/fs"
	"syscall"
	"time"
)

// change returns when the file was last changed, and how many names it has. On
// these systems the field with the time has another name than on Linux.
func change(info fs.FileInfo) (at time.Time, links uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctimespec.Unix()), uint64(st.Nlink)
	}
	return time.Time{}, 0
}
