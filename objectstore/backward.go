package objectstore

import (
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// LogEnd returns the position after the newest change.
func (v *view) LogEnd() (int64, error) {
	if err := v.find(); err != nil {
		return 0, err
	}
	if v.newest > 0 {
		return v.end, nil
	}
	_, end, err := v.Log(0)
	return end, err
}

// LogBefore returns the lines that end at a position. It reads the changes from
// the newest back to the change that holds them. A view reads each change once.
func (v *view) LogBefore(end int64, size int) (lines []byte, start int64, err error) {
	if err := v.find(); err != nil {
		return nil, 0, err
	}
	var data []byte
	last := v.end
	if v.newest > 0 && end >= 0 && end <= last {
		data, start, err = v.since(max(0, end-int64(max(size, 1))-1))
	} else if v.newest == 0 { // a folder that was copied into the bucket
		data, last, err = v.Log(0)
	}
	if err != nil {
		return nil, 0, err
	}
	if end == 0 {
		return nil, 0, nil
	}
	if end < 0 || end > last || data[end-start-1] != '\n' {
		return nil, 0, v.noPosition(end, last)
	}
	data = data[:end-start]
	lines = logformat.LastLines(data, size)
	return lines, end - int64(len(lines)), nil
}
