package logformat

import "bytes"

// WholeTail computes from the last bytes of a log what Whole computes from the
// whole log. It returns the length of the tail without a torn append. It
// reports false if the tail is too short to decide, or contains a NUL.
func WholeTail(tail []byte) (n int, ok bool) {
	if bytes.IndexByte(tail, 0) >= 0 {
		return 0, false
	}
	n = lastAppend(tail)
	// The last append must be completely in the tail: a NUL in a part of it
	// before the tail would make it a torn append.
	return n, n > 0 && lastAppend(tail[:n-1]) > 1
}

// LastLines returns the last lines of data, which are whole: as many as fit
// into size bytes, and at least one.
func LastLines(data []byte, size int) []byte {
	if len(data) == 0 {
		return nil
	}
	from := max(0, min(len(data)-size, len(data)-1))
	if from > 0 && data[from-1] != '\n' {
		if next := bytes.IndexByte(data[from:len(data)-1], '\n'); next >= 0 {
			from += next + 1
		} else {
			from = bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
		}
	}
	return data[from:]
}
