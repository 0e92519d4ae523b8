package document

// ParseAlone is Parse without a scan ahead.
func ParseAlone(data []byte) (*Document, error) { return parse(data, &ahead{data: data}) }

// ParseAhead is Parse with parts that start at these quotes, and with so many
// helpers. With a negative number of helpers, all parts are scanned before the
// parser starts.
func ParseAhead(data []byte, at []int, helpers int) (*Document, error) {
	a := scanAhead(data, max(0, helpers), func([]byte) []int { return at })
	if helpers < 0 {
		a.sum()
		for a.scanPart() {
		}
	}
	return parse(data, a)
}

// Ahead returns how many members a scan ahead of a document finds in each part.
func Ahead(data []byte) (found []int) {
	a := scanAhead(data, 0, quotes)
	for a.scanPart() {
	}
	for _, p := range a.parts {
		found = append(found, len(p.members))
	}
	return found
}

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
func Sealed(held []byte) []byte { return append(appendSum(held), "\n}"...) }
