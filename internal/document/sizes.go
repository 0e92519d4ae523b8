package document

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// In a large document, our key has "sizes". For each version, in order, it says
// how many bytes the entry takes, and gives the first letter of its stage, or
// "?" for any other stage than the four. If the checksum of the document is
// right, a reader finds the entries by it, and need not scan them: it reads
// 10,000 versions in a third of the time. A reader without it finds the same.
//
// It begins with the number of the document's event and a colon. An earlier
// release keeps a member that it does not know, but writes another event with
// the entries that it changes, so that its document is scanned.

// sized is how many bytes the versions of a document take that has sizes.
const sized = 128 << 10

const otherStage = '?'

// stages has the raw stage of each letter in "sizes".
var stages = ['z' + 1][]byte{'d': []byte(`"development"`), 's': []byte(`"staging"`), 'p': []byte(`"production"`), 'a': []byte(`"archived"`)}

// appendSize appends an entry to "sizes".
func appendSize(sizes []byte, e Entry) []byte {
	sizes = strconv.AppendInt(sizes, int64(len(e.Raw)), 10)
	for letter, stage := range stages {
		if stage != nil && bytes.Equal(e.Stage, stage) {
			return append(sizes, byte(letter))
		}
	}
	return append(sizes, otherStage)
}

// cutSize returns the first entry of "sizes", and the rest.
func cutSize(sizes []byte) (size int, letter byte, rest []byte, ok bool) {
	for i, c := range sizes {
		if c < '0' || c > '9' {
			return size, c, sizes[i+1:], c == otherStage || c <= 'z' && stages[c] != nil
		}
		if size = size*10 + int(c-'0'); size > min(1<<40, math.MaxInt/11) {
			break
		}
	}
	return 0, 0, nil, false
}

// readSizes returns the "sizes" of a document that has our layout, or nil.
func readSizes(data []byte) []byte {
	r, ok := readMark(data)
	if !ok || len(r.sizes) < len(`""`) || r.sizes[0] != '"' {
		return nil
	}
	sizes, ok := bytes.CutPrefix(r.sizes[1:len(r.sizes)-1], fmt.Appendf(nil, "%d:", r.into.Event))
	if !ok {
		return nil
	}
	return sizes
}

// errSizes says that a document is not as its sizes say. The plain reader then
// reads it.
var errSizes = &pyjson.SyntaxError{Reason: "the sizes are wrong"}

// sizedEntry is member for an entry whose size is known.
func (p *parser) sizedEntry(key, keyEnd, at int) (m entrySpan, err error) {
	size, letter, rest, ok := cutSize(p.sizes)
	if p.sizes = rest; !ok || size > len(p.data)-at {
		return m, errSizes
	}
	if letter == otherStage {
		return member(p.data, key, keyEnd, at, 2)
	}
	return entrySpan{span: span{key, keyEnd, at, at + size}, known: stages[letter]}, nil
}

// lineExtra is member for what our key says about a version, in a document that
// we wrote: it is one line.
func (p *parser) lineExtra(key, keyEnd, at int) (m entrySpan, err error) {
	n := bytes.IndexByte(p.data[at:], '\n')
	if n < 1 {
		return m, errSizes
	}
	if p.data[at+n-1] == ',' {
		n--
	}
	return entrySpan{span: span{key, keyEnd, at, at + n}}, nil
}
