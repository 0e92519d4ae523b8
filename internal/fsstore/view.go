package fsstore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"time"
)

// A revision is what the log and the document looked like when they were read.
type revision struct {
	log, document stamp
}

// A stamp tells one state of a file from another by what a stat says.
type stamp struct {
	exists bool
	size   int64
	time   int64 // modification, in ns
	inode  uint64
	fresh  bool // it was written so lately that a further write might not show
}

// freshFor is longer than any tick of the clocks that file systems stamp with:
// a file that is written twice within a tick can keep its stamp. git calls such an
// entry "racily clean".
const freshFor = 20 * time.Millisecond

func stampOf(d Disk, name string) (stamp, error) {
	info, err := d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, nil
	}
	if err != nil {
		return stamp{}, err
	}
	return stamp{true, info.Size(), info.ModTime().UnixNano(), inode(info), time.Since(info.ModTime()) < freshFor}, nil
}

// changed reports whether the file may have changed since a.
func (a stamp) changed(b stamp) bool {
	fresh := a.fresh
	a.fresh, b.fresh = false, false
	return fresh || a != b
}

// Changed reports whether a model may have changed since a revision.
func (s *Store) Changed(_ context.Context, useCase, model string, since any) (bool, error) {
	rev, ok := since.(*revision)
	if !ok {
		return true, nil
	}
	d, err := s.disk(false)
	if err != nil {
		return true, nil // a read will say so, or find that the store is there now
	}
	dir := useCase + "/" + model
	log, err := stampOf(d, dir+"/"+logName)
	if err != nil || rev.log.changed(log) {
		return true, err
	}
	doc, err := stampOf(d, dir+"/"+documentName)
	return err != nil || rev.document.changed(doc), err
}

// A View looks at a model's bytes.
type View struct {
	disk Disk // nil if there is no store yet
	dir  string
	rev  revision
	end  int64 // behind the last whole line, once the log was read
	read bool
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
	v = &View{disk: d, dir: dir}
	if v.rev.log, err = stampOf(d, path.Join(dir, logName)); err != nil {
		return nil, err
	}
	v.rev.document, err = stampOf(d, path.Join(dir, documentName))
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
	data, err := v.disk.ReadFrom(path.Join(v.dir, documentName), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// Log returns the whole lines from a position on. What a torn append left behind
// them is passed over. A position where no line ends is none of this log.
func (v *View) Log(from int64) ([]byte, int64, error) {
	var data []byte
	name := path.Join(v.dir, logName)
	if v.disk != nil {
		var err error
		data, err = v.disk.ReadFrom(name, max(0, from-1))
		if err != nil && (from > 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, 0, err
		}
	}
	if from > 0 {
		if len(data) == 0 || data[0] != '\n' {
			return nil, 0, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
		}
		data = data[1:]
	}
	data = data[:whole(data)]
	v.end, v.read = from+int64(len(data)), true
	return data, v.end, nil
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
