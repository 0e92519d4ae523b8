//go:build amd64 || arm64

package beneath

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// A Lock is a file to be locked as flock(2) does.
type Lock struct {
	fd     int
	path   string
	file   syscall.Stat_t // that was opened; zero if nobody asked yet
	awaits bool
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

// The operations on record locks that belong to an open file and not to a process; package syscall has no names for them.
const (
	ofdGetLock = 36
	ofdSetLock = 37
)

// local are the file systems on which a record lock has nothing to do with flock(2): ext2 to 4, XFS, Btrfs, tmpfs, overlayfs.
// NFS makes one lock of both, and two who show that they wait would wait for each other.
var local = []int64{0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630}

// Await shows to whoever has the file locked that somebody waits for it, or no longer shows it. The mark is a shared record
// lock, so that it goes with the process. Where it can't be made, nothing shows.
func (l *Lock) Await(waits bool) {
	kind := int16(syscall.F_UNLCK)
	if waits {
		if !l.local() {
			return
		}
		kind = syscall.F_RDLCK
	} else if !l.awaits {
		return
	}
	err := syscall.FcntlFlock(uintptr(l.fd), ofdSetLock, &syscall.Flock_t{Type: kind, Len: 1})
	l.awaits = waits && err == nil
}

// Awaited reports whether somebody shows that he waits for the file. An exclusive lock is no mark, but another program's, or
// on a network what the holder has himself.
func (l *Lock) Awaited() bool {
	mark := syscall.Flock_t{Type: syscall.F_WRLCK, Len: 1}
	return syscall.FcntlFlock(uintptr(l.fd), ofdGetLock, &mark) == nil && mark.Type == syscall.F_RDLCK && l.local()
}

func (l *Lock) local() bool {
	var fs syscall.Statfs_t
	return syscall.Fstatfs(l.fd, &fs) == nil && slices.Contains(local, int64(fs.Type))
}

// Unlock closes the file. It ends the lock before, for a child that is being started has the descriptor, too.
func (l *Lock) Unlock() error {
	l.Await(false)
	err := syscall.Flock(l.fd, syscall.LOCK_UN)
	if closeErr := syscall.Close(l.fd); err == nil {
		err = closeErr
	}
	return l.fail("unlock", err)
}
