package document

import (
	"bytes"
	"slices"
)

// BothWays scans an entry by its layout, if it has that layout, and by walking.
// It returns where the entry ends, and where its stage starts and ends.
func BothWays(entry []byte) (byLayout, byWalk [3]int, laidOut bool, err error) {
	var m, w entrySpan
	laidOut = m.laidOut(entry, 2)
	err = w.walk(entry, 2)
	return [3]int{m.end, m.stage, m.stageEnd}, [3]int{w.end, w.stage, w.stageEnd}, laidOut, err
}

// CutAnyway is Cut that ignores the layout.
func CutAnyway(entry []byte) (Fields, error) { return cut(entry) }

// Sealed ends a document with the checksum of the bytes before.
func Sealed(held []byte) []byte { return []byte(string(held) + sumStart + checksum(held) + sumEnd) }

// FormatSized is Format of a document that has sizes although it is small.
func FormatSized(d *Document) []byte {
	var b bytes.Buffer
	_, _ = (&writer{to: &b, sized: 0}).write(d.Head, slices.Values(d.Entries), d.Mark)
	return b.Bytes()
}

// ParseBySizes reads a document by its sizes, and returns an error if it can't.
func ParseBySizes(data []byte) (*Document, error) {
	sizes := readSizes(data)
	if sizes == nil {
		return nil, errSizes
	}
	return parse(data, sizes)
}
