// Package filestat compares two stats of a file to find out whether the file
// was written to in between. It opens and reads no file.
package filestat

import (
	"fmt"
	"io/fs"
	"time"
)

// A Stat is the part of a regular file's stat that shows changes.
//
// It omits the inode, because some file systems in user space give a file
// another number after a while. If a file is renamed over another file, the
// time of the last change shows it.
type Stat struct {
	Size     int64
	modified time.Time
	changed  time.Time // content, rights, name or links; zero where it is unknown
	links    uint64    // names that the file has; 0 where it is unknown
}

// Of returns the Stat that a file's info holds.
func Of(info fs.FileInfo) Stat {
	s := Stat{Size: info.Size(), modified: info.ModTime()}
	s.changed, s.links = change(info)
	return s
}

// Difference says what changed between s and a later Stat of the same file. It
// returns "" if nothing was written in between.
//
// Gaining or losing a name also sets the time of the last change, for example
// when another file is renamed over the file. So that time counts only while
// the number of names stays the same.
func (s Stat) Difference(later Stat) string {
	switch {
	case s.Size != later.Size:
		return fmt.Sprintf("it had %d bytes, then %d", s.Size, later.Size)
	case !s.modified.Equal(later.modified):
		return "it was modified at " + clock(later.modified)
	case s.links == later.links && !s.changed.Equal(later.changed):
		return "it was changed at " + clock(later.changed)
	}
	return ""
}

func clock(t time.Time) string { return t.Format("15:04:05.000000") }

// A file system stamps files with a clock that ticks. A second write within the
// same tick leaves the same time. Linux ticks at least every 10 ms. A file
// system that keeps whole seconds, or only even seconds, ticks every 2 s.
const (
	tick       = 20 * time.Millisecond
	coarseTick = 2 * time.Second
)

// Settles returns how long it takes until any further write to the file changes
// its time: the rest of the tick in which it was last changed.
func (s Stat) Settles(now time.Time) time.Duration {
	last, tick := s.changed, tick
	if last.IsZero() {
		if last = s.modified; last.After(now) {
			return 0 // a program or another clock set the time
		}
	}
	if last.Nanosecond() == 0 {
		tick = coarseTick
	}
	return max(0, min(tick, tick-now.Sub(last)))
}
