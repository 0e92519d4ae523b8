//go:build amd64 || arm64

package beneath

import (
	"io"
	"io/fs"
	"syscall"
	"time"
	"unsafe"
)

// A file is a descriptor.
type file struct {
	fd   int
	name string
}

func (f *file) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *file) Read(p []byte) (int, error) {
	n, err := again(func() (int, error) { return syscall.Read(f.fd, p) })
	return f.read(n, len(p), err)
}

func (f *file) read(n, of int, err error) (int, error) {
	switch {
	case err != nil:
		return 0, f.fail("read", err)
	case n == 0 && of > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (f *file) ReadAt(p []byte, off int64) (total int, err error) {
	for total < len(p) && err == nil {
		rest := p[total:]
		n, failed := again(func() (int, error) { return syscall.Pread(f.fd, rest, off+int64(total)) })
		n, err = f.read(n, len(rest), failed)
		total += n
	}
	return total, err
}

func (f *file) WriteAt(p []byte, off int64) (total int, err error) {
	for total < len(p) {
		n, err := again(func() (int, error) { return syscall.Pwrite(f.fd, p[total:], off+int64(total)) })
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return total, f.fail("write", err)
		}
		total += n
	}
	return total, nil
}

func (f *file) Stat() (FileStat, error) {
	var st syscall.Stat_t
	if _, err := again(func() (int, error) { return 0, syscall.Fstat(f.fd, &st) }); err != nil {
		return FileStat{}, f.fail("stat", err)
	}
	return FileStat{Size: st.Size, Regular: st.Mode&syscall.S_IFMT == syscall.S_IFREG, Device: uint64(st.Dev), Inode: st.Ino}, nil
}

func (f *file) Truncate(size int64) error {
	_, err := again(func() (int, error) { return 0, syscall.Ftruncate(f.fd, size) })
	return f.fail("truncate", err)
}

func (f *file) Sync() error {
	_, err := again(func() (int, error) { return 0, syscall.Fsync(f.fd) })
	return f.fail("sync", err)
}

func (f *file) SetTime(t time.Time) error {
	const omit = 1<<30 - 2 // UTIME_OMIT: the time of the last access stays
	times := [2]syscall.Timespec{{Nsec: omit}, syscall.NsecToTimespec(t.UnixNano())}
	if _, _, errno := syscall.Syscall6(syscall.SYS_UTIMENSAT, uintptr(f.fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0); errno != 0 {
		return f.fail("set the time of", errno)
	}
	return nil
}

// Close is not repeated: the descriptor is gone even if a signal came.
func (f *file) Close() error { return f.fail("close", syscall.Close(f.fd)) }
