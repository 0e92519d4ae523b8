//go:build amd64 || arm64

package beneath

import (
	"slices"
	"syscall"
	"time"
)

// A Print is what the system says of files and folders, such that each write to one of them, each entry that is added or removed,
// and each change of its owner or mode shows: it is told apart by the time of its last change, which no program can set.
type Print struct {
	paths []string
	stats []stat
}

type stat struct {
	dev, ino     uint64
	mode         uint32
	size         int64
	changed, mod syscall.Timespec
}

// settled is longer than any tick of the clocks that file systems stamp with: what is changed twice within one can
// keep its time.
const settled = 20 * time.Millisecond

func look(path string) (s stat, err error) {
	var st syscall.Stat_t
	_, err = again(func() (int, error) { return 0, syscall.Lstat(path, &st) })
	return stat{st.Dev, st.Ino, st.Mode, st.Size, st.Ctim, st.Mtim}, err
}

// PrintOf takes the print of files and folders in a folder, named relative to it, provided that none was changed since an
// instant, nor just before it. It returns nil if one was, if the system's clock was set meanwhile, or if the file system
// isn't known to tell.
func PrintOf(folder string, names []string, since time.Time) *Print {
	var fs syscall.Statfs_t
	if syscall.Statfs(folder, &fs) != nil || !slices.Contains(local, int64(fs.Type)) {
		return nil
	}
	p := &Print{paths: make([]string, len(names)), stats: make([]stat, len(names))}
	last := since.Add(-settled).UnixNano()
	for i, name := range names {
		p.paths[i] = folder + "/" + name
		var err error
		if p.stats[i], err = look(p.paths[i]); err != nil || p.stats[i].changed.Nano() >= last {
			return nil
		}
	}
	if now := time.Now(); clockSet(since, now, now.Sub(since)) {
		return nil
	}
	return p
}

// clockSet reports whether the clock shows another time than so long after it showed began.
func clockSet(began, now time.Time, passed time.Duration) bool {
	by := now.Round(0).Sub(began.Round(0)) - passed
	return by.Abs() > settled/2
}

// Holds reports whether all still look the same.
func (p *Print) Holds() bool {
	for i, path := range p.paths {
		if now, err := look(path); err != nil || now != p.stats[i] {
			return false
		}
	}
	return true
}

// Len is how many files and folders it is of.
func (p *Print) Len() int { return len(p.paths) }
