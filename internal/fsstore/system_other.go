//go:build !unix

package fsstore

import (
	"errors"
	"os"
	"syscall"
)

// errCrossDevice is the error of a rename from one volume to another:
// ERROR_NOT_SAME_DEVICE.
const errCrossDevice = syscall.Errno(17)

// Windows does not remove or replace a file that a program has open, unless the
// program permits it. Go's programs do so only if they open the file by an
// os.Root. flock does not.
const closeFirst = true

// isInUse reports whether an error may mean that another program has a file
// open, or that the file is removed when the last program closes it. Windows
// gives the second, and some replacements, the error of a missing right.
func isInUse(err error) bool {
	const errAccessDenied, errSharingViolation = syscall.Errno(5), syscall.Errno(32)
	return errors.Is(err, errSharingViolation) || errors.Is(err, errAccessDenied)
}

// Windows has no such flag. Making a symlink there takes a privilege.
const noFollow = 0

// Windows can't flush a folder, and journals its entries itself. A file must be
// open for writing to be flushed.
func syncFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return err
	}
	w, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
	if err != nil {
		return nil // read-only: its writer flushed it
	}
	defer w.Close()
	return w.Sync()
}
