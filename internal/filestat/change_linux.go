package filestat

import (
	"io/fs"
	"syscall"
	"time"
)

// change returns when the file was last changed, and how many names it has.
func change(info fs.FileInfo) (at time.Time, links uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix()), uint64(st.Nlink)
	}
	return time.Time{}, 0
}
