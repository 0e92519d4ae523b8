package fsroot

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A NotRegularError says that a file is not regular, where a regular file is
// needed. It matches fs.ErrInvalid.
type NotRegularError struct {
	Path string
	Mode fs.FileMode
}

func (e *NotRegularError) Error() string {
	return fmt.Sprintf("open %s: it is %s, not a regular file", e.Path, Describe(e.Mode))
}

// Unwrap returns fs.ErrInvalid.
func (e *NotRegularError) Unwrap() error { return fs.ErrInvalid }

// Describe names the kind of a file with that mode: "a folder", "a named pipe".
func Describe(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a file of type " + mode.Type().String()
}

// A SizeError says that a file is larger than the limit for reading it. It
// matches fs.ErrInvalid.
type SizeError struct {
	Path  string
	Size  int64 // bytes to read
	Limit int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("read %s: %d bytes, more than %d", e.Path, e.Size, e.Limit)
}

// Unwrap returns fs.ErrInvalid.
func (e *SizeError) Unwrap() error { return fs.ErrInvalid }

// OpenFile is root.OpenFile for regular files. A plain open of a named pipe
// waits until another process opens its other end; OpenFile does not wait. If
// the file is not regular, the error is a *NotRegularError.
func OpenFile(root *os.Root, name string, flag int, perm fs.FileMode) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, flag|openFlags, perm)
	return regular(name, f, err, root.Stat)
}

// Open opens a regular file by its path for reading, as OpenFile does.
func Open(name string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|openFlags, 0)
	return regular(name, f, err, os.Stat)
}

// regular closes a file that was opened and is not regular, and returns the
// error.
func regular(name string, f *os.File, err error, stat func(string) (fs.FileInfo, error)) (*os.File, fs.FileInfo, error) {
	if err != nil {
		if info, statErr := stat(name); statErr == nil && !info.Mode().IsRegular() {
			err = &NotRegularError{name, info.Mode()} // a pipe without a reader, a socket, a folder
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &NotRegularError{name, info.Mode()}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// ReadFile reads a regular file of at most limit bytes. If the file is larger,
// the error is a *SizeError.
func ReadFile(root *os.Root, name string, limit int64) ([]byte, error) {
	f, info, err := OpenFile(root, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, &SizeError{name, info.Size(), limit}
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
