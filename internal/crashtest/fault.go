package crashtest

import (
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A Faulty disk fails at a chosen operation, once or from then on. A count
// includes everything that can fail, reads too.
type Faulty struct {
	Disk fsstore.Disk

	mu    sync.Mutex
	count int
	at    int // the operation that fails; 0 for none
	err   error
	stays bool
	kills bool
	hit   bool
}

// Wrap is for [fsstore.Store.Wrap].
func (f *Faulty) Wrap(d fsstore.Disk) fsstore.Disk {
	f.Disk = d
	return f
}

// Fail has the nth operation from now on fail with err, and if stays is set all
// after it.
func (f *Faulty) Fail(n int, err error, stays bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.err, f.stays, f.kills, f.hit = 0, n, err, stays, false, false
}

// Kill has the process killed in place of the nth operation from now on, or
// if that is a write, in the middle of it.
func (f *Faulty) Kill(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.err, f.stays, f.kills, f.hit = 0, n, os.ErrProcessDone, false, true, false
}

// killSelf does not return: no deferred call runs, as with any SIGKILL.
func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// Heal ends the faults and reports whether there was one.
func (f *Faulty) Heal() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = 0
	return f.hit
}

// Count returns the number of operations since Fail.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *Faulty) fault(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.at > 0 && (f.count == f.at || f.stays && f.count > f.at) {
		f.hit = true
		if f.kills && op != "write" {
			killSelf()
		}
		return &fs.PathError{Op: op, Path: name, Err: f.err}
	}
	return nil
}

// Lstat fails or passes on.
func (f *Faulty) Lstat(name string) (fs.FileInfo, error) {
	if err := f.fault("lstat", name); err != nil {
		return nil, err
	}
	return f.Disk.Lstat(name)
}

// Stamp fails or passes on.
func (f *Faulty) Stamp(name string) (fsstore.Stamp, error) {
	if err := f.fault("stamp", name); err != nil {
		return fsstore.Stamp{}, err
	}
	return f.Disk.Stamp(name)
}

// ReadDir fails or passes on.
func (f *Faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.fault("readdir", name); err != nil {
		return nil, err
	}
	return f.Disk.ReadDir(name)
}

// ReadFrom fails or passes on.
func (f *Faulty) ReadFrom(name string, offset int64) ([]byte, error) {
	if err := f.fault("read", name); err != nil {
		return nil, err
	}
	return f.Disk.ReadFrom(name, offset)
}

// Mkdir fails or passes on.
func (f *Faulty) Mkdir(name string) error {
	if err := f.fault("mkdir", name); err != nil {
		return err
	}
	return f.Disk.Mkdir(name)
}

// SetTime fails or passes on.
func (f *Faulty) SetTime(name string, t time.Time) error {
	if err := f.fault("settime", name); err != nil {
		return err
	}
	return f.Disk.SetTime(name, t)
}

// Rename fails or passes on.
func (f *Faulty) Rename(from, to string) error {
	if err := f.fault("rename", from); err != nil {
		return err
	}
	return f.Disk.Rename(from, to)
}

// Remove fails or passes on.
func (f *Faulty) Remove(name string) error {
	if err := f.fault("remove", name); err != nil {
		return err
	}
	return f.Disk.Remove(name)
}

// RemoveAll fails or passes on.
func (f *Faulty) RemoveAll(name string) error {
	if err := f.fault("removeall", name); err != nil {
		return err
	}
	return f.Disk.RemoveAll(name)
}

// Sync fails or passes on.
func (f *Faulty) Sync(name string) error {
	if err := f.fault("sync", name); err != nil {
		return err
	}
	return f.Disk.Sync(name)
}

// Close passes on.
func (f *Faulty) Close() error { return f.Disk.Close() }

// Open fails or passes on.
func (f *Faulty) Open(name string) (fsstore.File, error) {
	if err := f.fault("open", name); err != nil {
		return nil, err
	}
	file, err := f.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f, name}, nil
}

type faultyFile struct {
	fsstore.File
	f    *Faulty
	name string
}

// WriteAt writes half of what it is given before it fails, as a full disk does.
func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.f.fault("write", f.name); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		if f.f.kills {
			killSelf()
		}
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.f.fault("truncate", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if err := f.f.fault("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// NoSync is a disk that syncs nothing, for tests that do not crash.
type NoSync struct{ fsstore.Disk }

// Sync does nothing.
func (NoSync) Sync(string) error { return nil }

// Open returns a file that does not sync.
func (n NoSync) Open(name string) (fsstore.File, error) {
	f, err := n.Disk.Open(name)
	return noSyncFile{f}, err
}

type noSyncFile struct{ fsstore.File }

func (noSyncFile) Sync() error { return nil }
