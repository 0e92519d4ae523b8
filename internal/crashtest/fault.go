package crashtest

import (
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A Faulty makes disks fail at a chosen operation, once or from then on. It
// counts every operation that can fail, reads included. It is safe for
// concurrent use.
type Faulty struct {
	mu    sync.Mutex
	count int
	fault Fault
	hit   string
}

// A Fault says which operation fails, and how. The zero value lets all succeed.
type Fault struct {
	At    int                        // the number of the operation that fails, from 1
	On    func(op, name string) bool // or: the first operation for which On is true fails
	Err   error                      // the cause of the failure
	Stays bool                       // later operations fail too
	Short bool                       // only reads fail: each returns half of the data and no error
	Kills bool                       // it kills the process, a write after half of its bytes
}

// Wrap returns a disk that passes operations on to d unless they fail. It is a
// value for [fsstore.Store.Wrap].
func (f *Faulty) Wrap(d fsstore.Disk) fsstore.Disk { return &faultyDisk{d, f} }

// Fail sets the fault and starts counting again.
func (f *Faulty) Fail(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.fault, f.hit = 0, fault, ""
}

// Heal removes the fault. It returns the number of operations since Fail, and
// the first that failed, or "" if none did.
func (f *Faulty) Heal() (count int, hit string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = Fault{}
	return f.count, f.hit
}

// next counts an operation and reports whether it fails, and with which fault.
func (f *Faulty) next(op, name string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	now := f.count == f.fault.At || f.hit == "" && f.fault.On != nil && f.fault.On(op, name)
	if !now && !(f.fault.Stays && f.hit != "") || f.fault.Short && op != "read" {
		return Fault{}, false
	}
	if f.hit == "" {
		f.hit = op + " " + name
	}
	return f.fault, true
}

func (f *Faulty) check(op, name string) error {
	if fault, fails := f.next(op, name); fails {
		if fault.Kills && op != "write" {
			killSelf()
		}
		return &fs.PathError{Op: op, Path: name, Err: fault.Err}
	}
	return nil
}

// killSelf kills the process and does not return. As with every SIGKILL, no
// deferred call runs.
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

// A faultyDisk fails an operation or passes it on.
type faultyDisk struct {
	fsstore.Disk
	f *Faulty
}

func (d *faultyDisk) Lstat(name string) (fs.FileInfo, error) {
	if err := d.f.check("lstat", name); err != nil {
		return nil, err
	}
	return d.Disk.Lstat(name)
}

func (d *faultyDisk) Stamp(name string) (fsstore.Stamp, error) {
	if err := d.f.check("stamp", name); err != nil {
		return fsstore.Stamp{}, err
	}
	return d.Disk.Stamp(name)
}

func (d *faultyDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.f.check("readdir", name); err != nil {
		return nil, err
	}
	return d.Disk.ReadDir(name)
}

func (d *faultyDisk) ReadFrom(name string, offset int64) ([]byte, fsstore.FileID, error) {
	fault, fails := d.f.next("read", name)
	if fails && fault.Kills {
		killSelf()
	}
	if fails && !fault.Short {
		return nil, fsstore.FileID{}, &fs.PathError{Op: "read", Path: name, Err: fault.Err}
	}
	data, id, err := d.Disk.ReadFrom(name, offset)
	if fails {
		data = data[:len(data)/2]
	}
	return data, id, err
}

func (d *faultyDisk) ReadAt(name string, part []byte, offset int64) (int, fsstore.FileID, error) {
	fault, fails := d.f.next("read", name)
	if fails && fault.Kills {
		killSelf()
	}
	if fails && !fault.Short {
		return 0, fsstore.FileID{}, &fs.PathError{Op: "read", Path: name, Err: fault.Err}
	}
	n, id, err := d.Disk.ReadAt(name, part, offset)
	if fails {
		n /= 2
	}
	return n, id, err
}

func (d *faultyDisk) OpenRead(name string) (fsstore.ReadFile, error) {
	if err := d.f.check("openread", name); err != nil {
		return nil, err
	}
	return d.Disk.OpenRead(name)
}

func (d *faultyDisk) Mkdir(name string) error {
	if err := d.f.check("mkdir", name); err != nil {
		return err
	}
	return d.Disk.Mkdir(name)
}

func (d *faultyDisk) Make(name string) error {
	if err := d.f.check("make", name); err != nil {
		return err
	}
	return d.Disk.Make(name)
}

func (d *faultyDisk) Rename(from, to string) error {
	if err := d.f.check("rename", from); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

func (d *faultyDisk) Remove(name string) error {
	if err := d.f.check("remove", name); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

func (d *faultyDisk) RemoveAll(name string) error {
	if err := d.f.check("removeall", name); err != nil {
		return err
	}
	return d.Disk.RemoveAll(name)
}

func (d *faultyDisk) Sync(name string) error {
	if err := d.f.check("sync", name); err != nil {
		return err
	}
	return d.Disk.Sync(name)
}

func (d *faultyDisk) Open(name string) (fsstore.File, error) {
	if err := d.f.check("open", name); err != nil {
		return nil, err
	}
	file, err := d.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, d.f, name}, nil
}

type faultyFile struct {
	fsstore.File
	f    *Faulty
	name string
}

// WriteAt writes half of p before it fails, as a full disk does.
func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if fault, fails := f.f.next("write", f.name); fails {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		if fault.Kills {
			killSelf()
		}
		err := &fs.PathError{Op: "write", Path: f.name, Err: fault.Err}
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.f.check("truncate", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) SetTime(t time.Time) error {
	if err := f.f.check("settime", f.name); err != nil {
		return err
	}
	return f.File.SetTime(t)
}

func (f *faultyFile) Chmod(mode fs.FileMode) error {
	if err := f.f.check("chmod", f.name); err != nil {
		return err
	}
	return f.File.Chmod(mode)
}

func (f *faultyFile) Sync() error {
	if err := f.f.check("sync", f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// NoSync is a disk that does not sync, for tests that do not crash.
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
