// Package logfile is how the lines of a model's log lie in files, whichever store keeps them:
// the appends in a history.jsonl, and a bucket's changes, one file each.
package logfile

import "bytes"

// Join makes the bytes of one append. The lines of one append but the last end in a
// space, so that the end of an append shows.
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

// Whole returns how much of a log is whole appends. One that was under way when
// the power failed ends in the middle of a line, or of its lines, or holds bytes
// that are still NUL, and nothing stands behind what belongs to it; it was never
// acknowledged. A NUL with a later append behind it is damage, and stays for the
// reader to find.
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
