// Package logformat defines how the lines of a model's log are laid out in
// files: all appends in one history.jsonl, or one file for each change in a
// bucket. It does not know what the lines mean.
package logformat

import "bytes"

// Join returns the bytes of one append. Every line but the last ends in a space
// before its newline, so that a reader can see where an append ends.
func Join(lines [][]byte) []byte {
	size := 0
	for _, line := range lines {
		size += len(line) + len(" \n")
	}
	data := make([]byte, 0, size)
	for i, line := range lines {
		data = append(data, line...)
		if i < len(lines)-1 {
			data = append(data, ' ')
		}
		data = append(data, '\n')
	}
	return data
}

// Whole returns the length of the complete appends at the start of a log. If
// the power failed during an append, that append may be cut off, may lack some
// of its lines, or may contain bytes that are still NUL. It was never
// acknowledged, so Whole leaves it out.
//
// A NUL with a complete append after it is damage. Whole keeps it, so that the
// reader reports it.
func Whole(data []byte) int {
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
