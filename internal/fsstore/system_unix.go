//go:build unix

package fsstore

import (
	"os"
	"syscall"
)

// A lock file that is a symlink is refused, not followed.
const noFollow = syscall.O_NOFOLLOW

func syncFile(f *os.File) error { return f.Sync() }
