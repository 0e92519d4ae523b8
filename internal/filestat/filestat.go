// Package filestat tells by what a stat says whether a file was written to
// between two looks at it. It opens and reads no file.
package filestat

import (
	"fmt"
	"io/fs"
	"time"
)

// A Stat is what one stat said of a regular file.
//
// It leaves the inode out. Some file systems in user space give a file another
// number after a while. A file that is renamed over another one shows in the
// time of its last change.
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

// Difference says what a later Stat of the same file shows that s does not. It
// returns "" if nothing was written in between.
//
// A name that the file gained or lost sets the time of its last change too, for
// example when another file is renamed over it. So that time counts only while
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

// A file system stamps files with a clock that ticks, and a second write within
// a tick leaves the same time. Linux ticks every 10 ms at most. A file system
// that keeps whole seconds, some only even ones, ticks every 2 s.
const (
	tick       = 20 * time.Millisecond
	coarseTick = 2 * time.Second
)

// Settles returns how long it takes until every further write to the file gives
// it another time: the rest of the tick in which it was last changed.
func (s Stat) Settles(now time.Time) time.Duration {
	last, tick := s.changed, tick
	if last.IsZero() {
		if last = s.modified; last.After(now) {
			return 0 // a program set it, or another clock
		}
	}
	if last.Nanosecond() == 0 {
		tick = coarseTick
	}
	return max(0, min(tick, tick-now.Sub(last)))
}
