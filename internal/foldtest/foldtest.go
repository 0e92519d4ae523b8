// Package foldtest makes the disk of a folder store find names by other
// spellings, as file systems do that ignore case. It is for tests, and knows
// nothing of the store's protocol.
package foldtest

import (
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// Wrap returns a function for Store.Wrap. Its disk keeps the spelling with
// which a name was made, and finds the name by all spellings that are the same.
// If same is nil, it uses strings.EqualFold.
func Wrap(same func(a, b string) bool) func(fsstore.Disk) fsstore.Disk {
	if same == nil {
		same = strings.EqualFold
	}
	return func(d fsstore.Disk) fsstore.Disk { return &disk{d, same} }
}

// making makes the search for a name and its creation one step, for all disks
// of the process.
var making sync.Mutex

type disk struct {
	fsstore.Disk
	same func(a, b string) bool
}

// spelled returns a name as the folders spell it. A missing name stays as it
// is.
func (d *disk) spelled(name string) string {
	at := "."
	for part := range strings.SplitSeq(name, "/") {
		at = path.Join(at, d.entry(at, part))
	}
	return at
}

func (d *disk) entry(dir, name string) string {
	if _, err := d.Disk.Lstat(path.Join(dir, name)); err == nil {
		return name
	}
	entries, err := d.Disk.ReadDir(dir)
	if err != nil {
		return name
	}
	for _, e := range entries {
		if d.same(e.Name(), name) {
			return e.Name()
		}
	}
	return name
}

func (d *disk) Lstat(name string) (fs.FileInfo, error)     { return d.Disk.Lstat(d.spelled(name)) }
func (d *disk) Stamp(name string) (fsstore.Stamp, error)   { return d.Disk.Stamp(d.spelled(name)) }
func (d *disk) ReadDir(name string) ([]fs.DirEntry, error) { return d.Disk.ReadDir(d.spelled(name)) }
func (d *disk) Remove(name string) error                   { return d.Disk.Remove(d.spelled(name)) }
func (d *disk) RemoveAll(name string) error                { return d.Disk.RemoveAll(d.spelled(name)) }
func (d *disk) Sync(name string) error                     { return d.Disk.Sync(d.spelled(name)) }

func (d *disk) ReadFrom(name string, offset int64) ([]byte, fsstore.FileID, error) {
	return d.Disk.ReadFrom(d.spelled(name), offset)
}

func (d *disk) ReadAt(name string, part []byte, offset int64) (int, fsstore.FileID, error) {
	return d.Disk.ReadAt(d.spelled(name), part, offset)
}

func (d *disk) Mkdir(name string) error {
	making.Lock()
	defer making.Unlock()
	return d.Disk.Mkdir(d.spelled(name))
}

func (d *disk) Open(name string) (fsstore.File, error) {
	making.Lock()
	defer making.Unlock()
	return d.Disk.Open(d.spelled(name))
}

func (d *disk) Rename(from, to string) error {
	making.Lock()
	defer making.Unlock()
	return d.Disk.Rename(d.spelled(from), d.spelled(to))
}
