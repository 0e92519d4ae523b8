package fsstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Stamp tells one state of a file or folder from another by what a stat says. The
// zero Stamp says that there is none.
type Stamp struct {
	Exists bool
	Dir    bool
	Size   int64
	Time   int64 // modification, in ns
	FileID

	fresh bool // it was written so lately that a further write might not show
}

// freshFor is longer than any tick of the clocks that file systems stamp with:
// a file that is written twice within a tick can keep its stamp. git calls such an
// entry "racily clean".
const freshFor = 20 * time.Millisecond

// stampOf stamps a file that is about to be read.
func stampOf(d Disk, name string) (Stamp, error) {
	s, err := d.Stamp(name)
	return s.toRead(), err
}

// toRead is the stamp if the file is read now.
func (s Stamp) toRead() Stamp {
	s.fresh = s.Exists && time.Since(time.Unix(0, s.Time)) < freshFor
	return s
}

// changed reports whether the file may have changed since a.
func (a Stamp) changed(b Stamp) bool { return a.fresh || a.differs(b) }

func (a Stamp) differs(b Stamp) bool {
	a.fresh, b.fresh = false, false
	return a != b
}

func lstat(dir, name string) (Stamp, error) {
	info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, nil
	}
	if err != nil {
		return Stamp{}, err
	}
	return Stamp{Exists: true, Dir: info.IsDir(), Size: info.Size(), Time: info.ModTime().UnixNano(), FileID: idOf(info)}, nil
}

// gone reports whether a path leads to another folder than it did, or nowhere.
func gone(path string, was fs.FileInfo) bool {
	now, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, was)
}
