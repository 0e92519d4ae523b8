package fsstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
)

// A revision is what the log and the document of a model looked like when they were
// read.
type revision struct {
	dir, logFile, documentFile string
	log, document              Stamp
	slots                      Stamp // of the folder that has the log's lines where there is no log: a bucket's copy
}

func (r *revision) of(useCase, model string) bool {
	n := len(useCase)
	return len(r.dir) == n+1+len(model) && r.dir[:n] == useCase && r.dir[n+1:] == model
}

// Changed reports whether a model may have changed since a revision.
func (s *Store) Changed(_ context.Context, useCase, model string, since any) (bool, error) {
	rev, ok := since.(*revision)
	if !ok || !rev.of(useCase, model) {
		return true, nil
	}
	d, err := s.lastDisk()
	if err != nil {
		return true, nil // a read will say so, or find that the store is there now
	}
	log, err := d.Stamp(rev.logFile)
	if err != nil || rev.log.changed(log) {
		return true, err
	}
	if rev.slots.Exists {
		if slots, err := d.Stamp(path.Join(rev.dir, historyName)); err != nil || rev.slots.changed(slots) {
			return true, err
		}
	}
	doc, err := d.Stamp(rev.documentFile)
	return err != nil || rev.document.changed(doc), err
}

// A View looks at a model's bytes.
type View struct {
	disk  Disk // nil if there is no store yet
	rev   revision
	known logEnd // of this store's own last append
	end   int64  // behind the last whole line, once the log was read
	size  int64  // of the log, as far as it was read
	read  bool
}

// A logEnd is what a log looked like when an append of this store had ended, under the
// lock. While it looks so, it ends there: whoever follows the protocol leaves what was appended
// as it is, so that any further line shows in the size, within the same tick of the clock, too.
type logEnd struct {
	stamp Stamp
	end   int64
}

func (s *Store) logEnd(dir string) logEnd {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[dir]
}

// noteEnd keeps where a log ends, if nothing stands behind that: a torn tail can be replaced
// by as many bytes.
func (s *Store) noteEnd(dir string, e logEnd) {
	if !e.stamp.Exists || e.stamp.Size != e.end {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends[dir] = e
}

// after returns the revision that a commit leaves, which ends at a position of the log; nil if it can't be
// told. The caller holds the lock.
func (v *View) after(c *Commit, end int64) any {
	rev := v.rev
	var err error
	if len(c.Lines) > 0 {
		if rev.log, err = v.disk.Stamp(rev.logFile); err != nil || rev.log.Size != end {
			return nil // somebody took the lock file away, and another appended since
		}
	}
	rev.log.fresh = rev.log.fresh && rev.log.Size != end
	if c.Document != nil {
		if rev.document, err = stampOf(v.disk, rev.documentFile); err != nil {
			return nil
		}
	}
	return &rev
}

// Read calls look with a view of the model.
func (s *Store) Read(_ context.Context, useCase, model string, look func(*View) error) error {
	d, err := s.disk(false)
	if errors.Is(err, fs.ErrNotExist) {
		return look(&View{})
	}
	if err != nil {
		return err
	}
	v, err := newView(d, path.Join(useCase, model))
	if err != nil {
		return err
	}
	return look(v)
}

// newView takes the stamps first: what is read later can only be newer.
func newView(d Disk, dir string) (v *View, err error) {
	v = &View{disk: d, rev: revision{dir: dir, logFile: path.Join(dir, logName), documentFile: path.Join(dir, documentName)}}
	if v.rev.log, err = stampOf(d, v.rev.logFile); err != nil {
		return nil, err
	}
	v.rev.document, err = stampOf(d, v.rev.documentFile)
	return v, err
}

// Revision returns the revision that the view shows.
func (v *View) Revision() any {
	if v.disk == nil {
		return nil
	}
	return &v.rev
}

// DocumentChanged reports whether the document may differ from what it was.
func (v *View) DocumentChanged(since any) bool {
	rev, ok := since.(*revision)
	return !ok || rev.document.changed(v.rev.document)
}

// Document returns the document's bytes.
func (v *View) Document() ([]byte, bool, error) {
	if v.disk == nil {
		return nil, false, nil
	}
	data, err := v.disk.ReadFrom(v.rev.documentFile, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	v.rev.document.fresh = v.rev.document.fresh || int64(len(data)) < v.rev.document.Size
	return data, err == nil, err
}

// Log returns the whole lines from a position on. What a torn append left behind
// them is passed over. A position where no line ends is none of this log.
func (v *View) Log(from int64) ([]byte, int64, error) {
	if from < 0 {
		return nil, 0, &fs.PathError{Op: "read", Path: v.rev.logFile, Err: fs.ErrNotExist}
	}
	if v.known.end > 0 && from == v.known.end && !v.known.stamp.differs(v.rev.log) {
		v.size, v.end, v.read, v.rev.log.fresh = v.rev.log.Size, from, true, false
		return nil, from, nil
	}
	if v.disk != nil && !v.rev.log.Exists {
		if lines, end, is, err := v.copied(from); is || err != nil {
			return lines, end, err
		}
	}
	var data []byte
	if v.disk != nil {
		var err error
		data, err = v.disk.ReadFrom(v.rev.logFile, max(0, from-1))
		if err != nil && (from > 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, 0, err
		}
	}
	if from > 0 {
		if len(data) == 0 || data[0] != '\n' {
			return nil, 0, &fs.PathError{Op: "read", Path: v.rev.logFile, Err: fs.ErrNotExist}
		}
		data = data[1:]
	}
	// What is shorter than it was at the stat was cut meanwhile, or not read to its end:
	// what was made of it must not be kept.
	v.size = from + int64(len(data))
	v.rev.log.fresh = v.rev.log.fresh || v.size < v.rev.log.Size
	data = data[:whole(data)]
	v.end, v.read = from+int64(len(data)), true
	return data, v.end, nil
}

// readToEnd returns why nothing may be cut off or put aside on the word of the log: it
// was not read to its end.
func (v *View) readToEnd() error {
	if v.size < v.rev.log.Size {
		return &fs.PathError{Op: "read", Path: v.rev.logFile, Err: io.ErrUnexpectedEOF}
	}
	return nil
}

// whole returns how much of the log is whole appends. One that was under way when
// the power failed ends in the middle of a line, or of its lines, or holds bytes
// that are still NUL, and nothing stands behind what belongs to it; it was never
// acknowledged. A NUL with a later append behind it is damage, and stays for the
// reader to find.
//
// The lines of one append but the last end in a space, so that the end of an
// append shows.
func whole(data []byte) int {
	sound := data
	if nul := bytes.IndexByte(data, 0); nul >= 0 {
		for at := nul; ; {
			line := bytes.IndexByte(data[at:], '\n')
			if line < 0 {
				break
			}
			if at += line + 1; endsAppend(data[:at]) && at < len(data) {
				return lastAppend(data)
			}
		}
		sound = data[:nul]
	}
	return lastAppend(sound)
}

// lastAppend returns the length of data up to the end of its last append.
func lastAppend(data []byte) int {
	for len(data) > 0 {
		data = data[:bytes.LastIndexByte(data, '\n')+1]
		if endsAppend(data) {
			break
		}
		data = data[:max(0, len(data)-1)]
	}
	return len(data)
}

// endsAppend reports whether data, which ends in a newline, ends an append.
func endsAppend(data []byte) bool {
	if len(data) < 2 {
		return len(data) == 1
	}
	last := data[len(data)-2]
	return last != ' ' && last != 0
}
