package fsstore

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// tailRoom is how much of a log is read first to find its end.
const tailRoom = 4 << 10

// LogEnd returns the position after the last whole append. It reads only the
// end of the log, unless that is not enough to know.
func (v *View) LogEnd() (int64, error) {
	if v.read {
		return v.end, nil
	}
	if v.known.Size > 0 && !v.known.differs(v.rev.log) {
		return v.known.Size, nil
	}
	size := v.rev.log.Size
	for room := int64(tailRoom); room < size; room *= 4 {
		tail, err := v.readLogPart(size-room, size)
		if err != nil {
			return 0, err
		}
		if n, ok := logformat.WholeTail(tail); ok {
			return size - room + int64(n), nil
		}
	}
	_, end, err := v.Log(0)
	return end, err
}

// LogBefore returns the lines that end at a position.
func (v *View) LogBefore(end int64, size int) (lines []byte, start int64, err error) {
	if v.disk != nil && !v.rev.log.Exists && !v.unsure || end < 0 || end > v.rev.log.Size {
		return v.copiedBefore(end, size)
	}
	for room := int64(max(size, 1)); end > 0; room *= 2 {
		from := max(0, end-room-1) // with the newline before the first line
		data, err := v.readLogPart(from, end)
		if err != nil {
			return nil, 0, err
		}
		if int64(len(data)) < end-from || data[len(data)-1] != '\n' {
			return nil, 0, v.noLineEnds(end)
		}
		first := 0
		if from > 0 {
			first = bytes.IndexByte(data[:len(data)-1], '\n') + 1
		}
		if first > 0 || from == 0 {
			lines = logformat.LastLines(data[first:], size)
			return lines, end - int64(len(lines)), nil
		}
	}
	return nil, 0, nil
}

// copiedBefore is LogBefore of a bucket's copy, whose log is read as a whole.
func (v *View) copiedBefore(end int64, size int) (lines []byte, start int64, err error) {
	data, last, err := v.Log(0)
	if err != nil {
		return nil, 0, err
	}
	if end < 0 || end > last || end > 0 && data[end-1] != '\n' {
		return nil, 0, v.noLineEnds(end)
	}
	lines = logformat.LastLines(data[:end], size)
	return lines, end - int64(len(lines)), nil
}

func (v *View) noLineEnds(at int64) error {
	return &fs.PathError{Op: "read", Path: v.rev.logFile, Err: fmt.Errorf("no line ends at byte %d: %w", at, fs.ErrNotExist)}
}

// readLogPart reads the log between two positions. It returns less if the log
// was cut after its stamp was taken. The caller must not cache such a part.
func (v *View) readLogPart(from, to int64) ([]byte, error) {
	data := make([]byte, to-from)
	n, id, err := v.disk.ReadAt(v.rev.logFile, data, from)
	if v.unsure && (err != nil || id == FileID{} || id != v.rev.log.FileID) {
		return nil, errMoved
	}
	v.rev.log.fresh = v.rev.log.fresh || n < len(data)
	return data[:n], err
}
