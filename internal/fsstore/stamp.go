package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Stamp identifies one state of a file or folder by the fields of a stat. The
// zero Stamp stands for a missing file.
type Stamp struct {
	Exists  bool
	Dir     bool
	Regular bool // a file, and no symlink, pipe or device
	Size    int64
	Time    int64 // modification, in ns
	FileID

	fresh bool // written so recently that a further write might not change the stamp
}

// A file that is written twice within one tick of the file system's clock can
// keep its stamp. git calls such an entry "racily clean".
const (
	// freshFor is longer than any tick of a system's own clock.
	freshFor = 20 * time.Millisecond
	// coarseFor is longer than any tick of a file system that stamps whole
	// seconds, as ext4 with small inodes does, or even seconds, as FAT does.
	coarseFor = 2*time.Second + freshFor
)

// stampOf stamps a file that is about to be read.
func stampOf(d Disk, name string) (Stamp, error) {
	s, err := d.Stamp(name)
	return s.toRead(), err
}

// toRead returns the stamp for a file that is read now.
func (s Stamp) toRead() Stamp {
	s.fresh = s.Exists && time.Since(time.Unix(0, s.Time)) < s.grace()
	return s
}

// grace returns how long after the stamp a further write may leave the same
// stamp. Each stamp is judged alone, so that it does not matter which file
// systems are mounted. A fine clock shows a whole second once in a million
// times. Such a stamp is treated as a coarse one, and its file is read once
// more.
func (s Stamp) grace() time.Duration {
	if s.Time%int64(time.Second) == 0 {
		return coarseFor
	}
	return freshFor
}

// changed reports whether the file may have changed since a.
func (a Stamp) changed(b Stamp) bool { return a.fresh || a.differs(b) }

func (a Stamp) differs(b Stamp) bool {
	a.fresh, b.fresh = false, false
	return a != b
}

func lstat(dir, name string) (Stamp, error) {
	info, err := os.Lstat(dir + string(filepath.Separator) + filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, nil
	}
	if err != nil {
		return Stamp{}, err
	}
	return Stamp{Exists: true, Dir: info.IsDir(), Regular: info.Mode().IsRegular(), Size: info.Size(), Time: info.ModTime().UnixNano(), FileID: idOf(info)}, nil
}

// moved reports whether a path no longer leads to the folder that it led to.
func moved(path string, was fs.FileInfo) bool {
	now, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, was)
}

// above returns a folder, or the nearest one above it that exists. A file in
// its place is an error. Windows reports that a path below a file does not
// exist, as if the store were empty.
func above(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		parent := filepath.Dir(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("store folder %s: %w: it is a file", dir, fs.ErrInvalid)
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) || parent == dir:
			return "", err
		}
		dir = parent
	}
}
