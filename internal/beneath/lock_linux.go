//go:build amd64 || arm64

package beneath

import (
	"io/fs"
	"os"
	"syscall"
)

// A Lock is a file to be locked as flock(2) does.
type Lock struct {
	fd   int
	path string
	file syscall.Stat_t // that was opened; zero if nobody asked yet
}

// OpenLock opens a file to be locked, and makes it if it is missing. No part of its name may be a symlink. It returns nil if it
// can't be done like this. The path is what the file must be known by, too, to exclude others.
func (d *Dir) OpenLock(name, path string) *Lock {
	if !d.fast.enter() {
		return nil
	}
	defer d.fast.leave()
	fd, err := openHow(d.fast.fd, name, os.O_RDWR|os.O_CREATE, 0o666, resolveBeneath|resolveNoSymlinks)
	if err != nil {
		return nil
	}
	return &Lock{fd: fd, path: path}
}

// TryLock reports whether it locked the file.
func (l *Lock) TryLock() (bool, error) {
	err := l.flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, l.fail("lock", err)
}

// Lock waits until it locked the file.
func (l *Lock) Lock() error { return l.fail("lock", l.flock(syscall.LOCK_EX)) }

func (l *Lock) flock(how int) error {
	_, err := again(func() (int, error) { return 0, syscall.Flock(l.fd, how) })
	return err
}

func (l *Lock) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: l.path, Err: err}
}

// Named reports whether the path names the file.
func (l *Lock) Named() (bool, error) {
	var at syscall.Stat_t
	_, err := again(func() (int, error) { return 0, syscall.Lstat(l.path, &at) })
	if err == nil && l.file.Ino == 0 {
		_, err = again(func() (int, error) { return 0, syscall.Fstat(l.fd, &l.file) })
	}
	return err == nil && at.Dev == l.file.Dev && at.Ino == l.file.Ino, l.fail("stat", err)
}

// Unlock closes the file. It ends the lock before, for a child that is being started has the descriptor, too.
func (l *Lock) Unlock() error {
	err := syscall.Flock(l.fd, syscall.LOCK_UN)
	if closeErr := syscall.Close(l.fd); err == nil {
		err = closeErr
	}
	return l.fail("unlock", err)
}
