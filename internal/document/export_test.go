package document

// ParseAlone is Parse without a scan ahead.
func ParseAlone(data []byte) (*Document, error) { return parse(data, &ahead{data: data}) }

// ParseAhead is Parse with parts that start at these quotes, and with so many
// helpers; with less than none, all is scanned ahead before the scan begins.
func ParseAhead(data []byte, at []int, helpers int) (*Document, error) {
	a := scanAhead(data, max(0, helpers), func([]byte) []int { return at })
	if helpers < 0 {
		a.sum()
		for a.scanPart() {
		}
	}
	return parse(data, a)
}

// Ahead returns how many members a scan ahead of a document finds, a part each.
func Ahead(data []byte) (found []int) {
	a := scanAhead(data, 0, quotes)
	for a.scanPart() {
	}
	for _, p := range a.parts {
		found = append(found, len(p.members))
	}
	return found
}

// BothWays looks through an entry by its layout, if it has that, and by
// walking: where it ends, where its stage starts and ends, and its fields.
func BothWays(entry []byte) (byLayout, byWalk [3]int, laidOut bool, err error) {
	var m, w entrySpan
	laidOut = m.laidOut(entry, 2)
	err = w.walk(entry, 2)
	return [3]int{m.end, m.stage, m.stageEnd}, [3]int{w.end, w.stage, w.stageEnd}, laidOut, err
}

// CutAnyway is Cut that does not look at the layout.
func CutAnyway(entry []byte) (Fields, error) { return cut(entry) }

// Sealed ends the bytes of a document with the checksum of what stands before.
func Sealed(held []byte) []byte { return append(appendSum(held), "\n}"...) }
