//go:build !unix

package fsstore

import (
	"os"
	"syscall"
)

// errCrossDevice is the error of a rename from one volume to another:
// ERROR_NOT_SAME_DEVICE.
const errCrossDevice = syscall.Errno(17)

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
