package index

import (
	"bytes"
	"errors"
	"iter"
)

// ErrUnsound says that a line can't be read, or does not precede the line after
// it. Only a log that is read from its start shows which line is damaged.
var ErrUnsound = errors.New("the log is damaged or was replaced")

// A BackwardReader reads a log from the last line back. Each line contains the
// digest of the line before it, so a line that is read is the one that the
// lines after it were written for.
type BackwardReader struct {
	End   int64  // the position after the next line to read
	Last  int64  // the number of the next line's event
	Hash  string // its digest
	skips bool   // the event may have a lower number than Last
}

// Lines yields the lines of a part of the log that ends at End, the last one
// first. It ends with ErrUnsound at the first line that is damaged or does not
// fit.
func (r *BackwardReader) Lines(part []byte) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		for len(part) > 0 {
			start := bytes.LastIndexByte(part[:len(part)-1], '\n') + 1
			e, err := DecodeEvent(bytes.TrimRight(part[start:len(part)-1], " "))
			if err != nil || !r.fits(e) {
				yield(nil, ErrUnsound)
				return
			}
			r.End -= int64(len(part) - start)
			r.Last, r.Hash, r.skips, part = e.Number-1, e.Prev, e.Skips(), part[:start]
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (r *BackwardReader) fits(e *Event) bool {
	return e.Hash == r.Hash && (e.Number == r.Last || r.skips && e.Number < r.Last)
}

// Started reports whether the log was read back to its start, and began there.
func (r *BackwardReader) Started() bool {
	return r.End == 0 && r.Hash == "" && (r.Last == 0 || r.skips)
}
