//go:build unix

package fsstore

import (
	"os"
	"syscall"
)

// errCrossDevice is the error of a rename from one file system to another.
const errCrossDevice = syscall.EXDEV

// A lock file that is a symlink is refused, not followed.
const noFollow = syscall.O_NOFOLLOW

// A file can be removed and replaced while a program has it open.
const closeFirst = false

func isInUse(error) bool { return false }

func syncFile(f *os.File) error { return f.Sync() }
