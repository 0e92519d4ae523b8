//go:build linux && (amd64 || arm64)

package fsstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// syncfs is the number of the system call.
var syncfs = map[string]uintptr{"amd64": 306, "arm64": 267}[runtime.GOARCH]

// reliable are the file systems of which one sync makes files and folders as safe as a sync
// of each: ext2 to 4, XFS, Btrfs. Of a network file system's only the cache is written.
var reliable = []int64{0xEF53, 0x58465342, 0x9123683E}

// maxDirty bounds what the disk has to write, for whomever, before a file system is synced.
const maxDirty = 64 << 20

// A wholeFS syncs the file system that a folder is on.
type wholeFS struct {
	mu   sync.Mutex
	file *os.File // told of every error since it was opened, so it is opened before what it is to sync is written
	err  error    // why there will be none
}

// sync makes all that was written durable. The first time it only makes ready.
func (w *wholeFS) sync(open func() (*os.File, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.file == nil {
		if w.file, w.err = open(); w.err == nil {
			w.err = canSync(w.file)
		}
		return errors.Join(w.err, errNotNow)
	}
	if n, err := dirty(); err != nil || n > maxDirty {
		return errNotNow
	}
	if _, _, errno := syscall.Syscall(syncfs, w.file.Fd(), 0, 0); errno != 0 {
		return os.NewSyscallError("syncfs", errno)
	}
	return nil
}

func (w *wholeFS) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil {
		w.file.Close()
	}
	w.file, w.err = nil, os.ErrClosed
}

// canSync reports whether the call tells of what could not be written, which it does since Linux 5.8,
// and does on this file system what it says.
func canSync(f *os.File) error {
	var name syscall.Utsname
	var fs syscall.Statfs_t
	if err := errors.Join(syscall.Uname(&name), syscall.Fstatfs(int(f.Fd()), &fs)); err != nil {
		return err
	}
	var release []byte
	for _, c := range name.Release {
		release = append(release, byte(c))
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &major, &minor); err != nil || major < 5 || major == 5 && minor < 8 {
		return errors.ErrUnsupported
	}
	if !slices.Contains(reliable, int64(fs.Type)) {
		return errors.ErrUnsupported
	}
	return nil
}

// dirty returns how many bytes wait to be written to disks, or are being written.
func dirty() (total int64, err error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	found := 0
	for line := range bytes.Lines(info) {
		if f := bytes.Fields(line); len(f) == 3 && (string(f[0]) == "Dirty:" || string(f[0]) == "Writeback:") {
			kb, err := strconv.ParseInt(string(f[1]), 10, 64)
			if err != nil {
				return 0, err
			}
			total += kb << 10
			found++
		}
	}
	if found != 2 {
		return 0, errors.ErrUnsupported
	}
	return total, nil
}
