package fsroot

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// The methods of os.Root remove a file by a system call that exists since
// Windows 10. Where it is missing they use an older one, but they don't notice
// each way in which systems say so. Wine up to version 8 says that the function
// is invalid, and a driver of a file system may do so, too. Remove and
// RemoveAll then open the file so that the system removes it when it is closed.
const (
	errInvalidFunction = syscall.Errno(1) // ERROR_INVALID_FUNCTION
	deleteOnClose      = 0x04000000       // FILE_FLAG_DELETE_ON_CLOSE
)

// Remove removes a file or an empty folder. It does not follow a link.
func Remove(root *os.Root, name string) error {
	err := root.Remove(name)
	if errors.Is(err, errInvalidFunction) {
		err = removeByClose(root, name, err)
	}
	return err
}

// RemoveAll removes a file, or a folder with all that it contains. It does not
// follow a link.
func RemoveAll(root *os.Root, name string) error {
	err := root.RemoveAll(name)
	if !errors.Is(err, errInvalidFunction) {
		return err
	}
	info, statErr := root.Lstat(name)
	if statErr == nil && info.IsDir() {
		if err := empty(root, name, info); err != nil {
			return err
		}
	}
	if err = removeByClose(root, name, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// empty removes what a folder contains. It opens the folder first, so that all
// that is removed is in the folder that info describes, whatever other programs
// rename meanwhile.
func empty(root *os.Root, name string, info fs.FileInfo) error {
	folder, err := root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	if now, err := folder.Stat("."); err != nil || !os.SameFile(now, info) {
		return errors.Join(err, &fs.PathError{Op: "RemoveAll", Path: name, Err: fs.ErrInvalid})
	}
	entries, err := ReadDir(folder, ".")
	for _, e := range entries {
		err = errors.Join(err, RemoveAll(folder, e.Name()))
	}
	return err
}

// removeByClose removes a file or an empty folder. If that has no effect, it
// returns the error of the first attempt. A release of Go before 1.26 ignores
// the flag, so that nothing is removed.
func removeByClose(root *os.Root, name string, first error) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if entries, err := ReadDir(root, name); err == nil && len(entries) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ERROR_DIR_NOT_EMPTY}
		}
	} else if info.Mode()&0o200 == 0 { // a read-only file can't be removed
		if err := root.Chmod(name, 0o666); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|deleteOnClose|syscall.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if _, err := root.Lstat(name); err == nil {
		return first
	}
	return nil
}
