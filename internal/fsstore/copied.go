package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A bucket that was copied to disk has no history.jsonl. Its log is in one file
// for each change, as the package objectstore makes the objects. The first line
// of such a file belongs to the store, the others to the log. The first change
// in the folder writes the lines of the log into history.jsonl, where they have
// the same positions.
const historyName = "history"

// A ChangeFileError describes a fault in the log of a bucket's copy. It matches
// fs.ErrInvalid.
type ChangeFileError struct {
	Path string
	Err  error
}

func (e *ChangeFileError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause and fs.ErrInvalid.
func (e *ChangeFileError) Unwrap() []error { return []error{e.Err, fs.ErrInvalid} }

// corruptChange returns the error of a commit that found a damaged change: a
// *driver.CorruptError.
func corruptChange(err error) error {
	var broken *ChangeFileError
	if errors.As(err, &broken) {
		return &driver.CorruptError{Path: broken.Path, Err: broken.Err}
	}
	return err
}

// A changeFile is the file of one change.
type changeFile struct {
	name   string
	number int64
}

// changeFiles lists the files of changes in a model's folder, in order. There
// are none unless the folder is a bucket's copy.
func changeFiles(d Disk, dir string) ([]changeFile, error) {
	dir = path.Join(dir, historyName)
	if s, err := d.Stamp(dir); err != nil || !s.Dir {
		return nil, err
	}
	entries, err := d.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var files []changeFile
	for _, e := range entries {
		if n, ok := logformat.Number(e.Name()); ok {
			files = append(files, changeFile{path.Join(dir, e.Name()), n})
		}
	}
	slices.Reverse(files) // the names descend
	return files, err
}

// read returns the lines of a change and the position after them.
func (f changeFile) read(d Disk) (lines []byte, end int64, err error) {
	data, _, err := d.ReadFrom(f.name, 0)
	if err != nil {
		return nil, 0, err
	}
	head, _, lines, err := logformat.Split(data, f.number)
	if err != nil {
		return nil, 0, &ChangeFileError{f.name, err}
	}
	return lines, head.End, nil
}

// copied is Log for a bucket's copy. It reports false for any other model. A
// damaged log is an error. If the log is read from the start, copied also
// returns all lines that can be read, for a repair.
func (v *View) copied(from int64) (lines []byte, end int64, is bool, err error) {
	folder, err := stampOf(v.disk, path.Join(v.rev.dir, historyName))
	if err != nil || !folder.Dir {
		return nil, 0, false, err
	}
	files, err := changeFiles(v.disk, v.rev.dir)
	if err != nil || len(files) == 0 {
		return nil, 0, false, err
	}
	parts, start, end, err := backTo(v.disk, files, from)
	if errors.Is(err, fs.ErrNotExist) { // a change in this folder is moving the files
		return nil, 0, false, nil
	}
	v.rev.changes, v.read, v.end, v.size = folder, true, end, end
	var damage *ChangeFileError
	switch {
	case errors.As(err, &damage) && from == 0:
		lines = readable(v.disk, files)
		return lines, int64(len(lines)), true, err
	case err != nil:
		return nil, 0, true, err
	}
	slices.Reverse(parts)
	lines = slices.Concat(parts...)
	if skip := from - start; skip < 0 || skip > int64(len(lines)) || skip > 0 && lines[skip-1] != '\n' {
		return nil, 0, true, &fs.PathError{Op: "read", Path: path.Join(v.rev.dir, historyName), Err: fs.ErrNotExist}
	} else {
		lines = lines[skip:]
	}
	return lines, end, true, nil
}

// backTo reads from the newest change back to the change that holds a position.
// It returns their lines, the last first, and where they begin and end.
func backTo(d Disk, files []changeFile, from int64) (parts [][]byte, start, end int64, err error) {
	for i, f := range files {
		if f.number != int64(i)+1 {
			return nil, 0, 0, &ChangeFileError{f.name, fmt.Errorf("change %d, the one before it, is missing: %s", i+1, logformat.LossCause)}
		}
	}
	for i, f := range slices.Backward(files) {
		lines, e, err := f.read(d)
		switch {
		case err != nil:
			return nil, 0, 0, err
		case i == len(files)-1:
			start, end = e, e
		case e != start:
			return nil, 0, 0, &ChangeFileError{f.name, fmt.Errorf("it ends at byte %d of the log, and change %d begins at byte %d", e, f.number+1, start)}
		}
		parts = append(parts, lines)
		if start -= int64(len(lines)); i == 0 && start != 0 {
			return nil, 0, 0, &ChangeFileError{f.name, fmt.Errorf("it is the first and begins at byte %d of the log", start)}
		}
		if start <= from && i > 0 {
			break
		}
	}
	return parts, start, end, nil
}

// readable returns the lines of those changes that can be read.
func readable(d Disk, files []changeFile) (data []byte) {
	for _, f := range files {
		if lines, _, err := f.read(d); err == nil {
			data = append(data, lines...)
		}
	}
	return data
}

// takeOver writes the log of a bucket's copy into history.jsonl. The model
// stays the same.
func (v *View) takeOver() error {
	if !v.rev.changes.Exists {
		return nil
	}
	lines, _, is, err := v.copied(0)
	if err != nil {
		return err
	}
	if !is { // another process removes the files
		return &fs.PathError{Op: "read", Path: path.Join(v.rev.dir, historyName), Err: fs.ErrNotExist}
	}
	if err := replaceFile(v.disk, path.Join(v.rev.dir, logTemp), v.rev.logFile, lines); err != nil {
		return err
	}
	if v.rev.log, err = stampOf(v.disk, v.rev.logFile); err != nil {
		return err
	}
	v.putAsideChanges()
	return nil
}

// putAsideChanges moves the files of a bucket's changes to the files that
// repairs replaced, once history.jsonl holds their lines. They do no harm here.
// But if the folder were copied into a bucket, the bucket's store would read
// them as the whole history.
func (v *View) putAsideChanges() (kept string) {
	keep := path.Join(v.rev.dir, repairsName)
	kept = path.Join(keep, replacedAt())
	if _, err := ensure(v.disk, keep); err != nil {
		return ""
	}
	if err := v.disk.Rename(path.Join(v.rev.dir, historyName), kept); err != nil {
		return ""
	}
	v.rev.changes = Stamp{}
	return kept
}

// replacedAt names a folder for files that are being replaced now.
func replacedAt() string {
	return time.Now().UTC().Format(pathname.AsideTime) + "-" + pathname.NewID()[:pathname.ShortID]
}
