package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/mounts"
)

// LockHolder returns the process that holds the lock of a model. The kernel
// lists the locks with the process that took each, as far as this process may
// see that one: a process of another container stays unnamed.
func (s *Store) LockHolder(useCase, model string) string {
	file, err := os.Lstat(s.path(path.Join(useCase, model, lockName)))
	if err != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	id := lockID(file)
	pid := lockedBy(string(locks), id)
	if pid == os.Getpid() {
		return "this process"
	}
	if pid <= 0 || !mayHold(pid, id) {
		return ""
	}
	return describeProcess(pid)
}

// lockID names a file as the kernel does in its lists of locks. On file systems
// whose stat has another device than the kernel uses, such as btrfs, no lock
// has this name.
func lockID(file fs.FileInfo) string {
	device, inode := fsroot.Identity(file)
	major, minor := mounts.MajorMinor(device)
	return fmt.Sprintf("%02x:%02x:%d", major, minor, inode)
}

// lockedBy returns the process that took the lock on a file, according to a
// list of locks, or 0. A line is
//
//	8: FLOCK  ADVISORY  WRITE 15793 fe:00:9980592 0 EOF
//
// If the process only waits for the lock, "->" after the number shifts the
// other fields, so that the line does not match.
func lockedBy(locks, id string) (pid int) {
	for line := range strings.Lines(locks) {
		f := strings.Fields(strings.TrimPrefix(line, "lock:"))
		if len(f) > 5 && f[5] == id {
			pid, _ = strconv.Atoi(f[4])
			return pid
		}
	}
	return 0
}

// mayHold reports whether a process may hold the lock on a file. The process
// that took a lock may have left it to another one and have ended, and its
// number may have been given to a third one. So the lock must be among those of
// the process's open files. These can't be read of another user's process,
// which may hold the lock.
func mayHold(pid int, id string) bool {
	folder := filepath.Join("/proc", strconv.Itoa(pid), "fdinfo")
	files, err := os.ReadDir(folder)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	for _, f := range files {
		info, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if errors.Is(err, fs.ErrPermission) || err == nil && lockedBy(string(info), id) > 0 {
			return true
		}
	}
	return false
}

// describeProcess returns a process as a person looks for it, such as "process
// 4711 (python3), which is stopped". It is empty if there is no such process.
func describeProcess(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The text is "4711 (name) S …". The name may contain anything.
	text := string(stat)
	start, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if start < 0 || end < start {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text[start+1:end])
	holder := fmt.Sprintf("process %d (%s)", pid, name)
	if state := strings.TrimSpace(text[end+1:]); strings.HasPrefix(state, "T") || strings.HasPrefix(state, "t") {
		holder += ", which is stopped"
	}
	return holder
}
