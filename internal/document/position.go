package document

import (
	"errors"
	"hash/crc32"
	"io"
	"slices"
)

// positionPart is how much of a document ReadPosition reads at once.
const positionPart = 256 << 10

// ReadPosition is Position of a document that it reads in parts, so that a
// large one is not in memory as a whole. It reports false for a document that
// changes meanwhile: the checksum covers the bytes that the position was read
// from, because each byte is read once.
func ReadPosition(r io.ReaderAt, size int64) (at Mark, ok bool, err error) {
	p := partReader{from: r}
	if size <= 2*positionPart {
		at, ok = Position(p.part(0, size))
	} else {
		at, ok = p.position(size)
	}
	if errors.Is(p.err, io.EOF) || errors.Is(p.err, io.ErrUnexpectedEOF) { // it was truncated
		return Mark{}, false, nil
	}
	return at, ok && p.err == nil, p.err
}

// A partReader reads parts of a document, until an error.
type partReader struct {
	from io.ReaderAt
	err  error
}

// position reads the end of the document, the start of our key, and then the
// rest for its checksum.
func (p *partReader) position(size int64) (at Mark, ok bool) {
	tailAt := size - positionPart
	tail := p.part(tailAt, size)
	want, ok := sumOf(tail)
	if !ok {
		return at, false
	}
	r, ok := readTail(tail, size)
	if !ok {
		return at, false
	}
	headAt, head := tailAt, []byte(nil)
	if r.start > 0 { // else an older release wrote it
		headAt = min(tailAt, r.start-int64(len(keyStart)))
		if head, ok = p.head(&r, headAt, tailAt, tail); !ok {
			return at, false
		}
	}
	sum := p.sum(0, 0, headAt)
	sum = crc32.Update(sum, castagnoli(), head)
	sum = p.sum(sum, headAt+int64(len(head)), tailAt)
	sum = crc32.Update(sum, castagnoli(), tail[:len(tail)-sumSize])
	return *r.into, sumText(sum) == want
}

// head reads the members of our key, from the start of the key up to
// "versions". It does not know how long they are, so it reads twice as much
// each time, at most up to the tail.
func (p *partReader) head(r *markReader, headAt, tailAt int64, tail []byte) (head []byte, ok bool) {
	for {
		end := headAt + int64(len(head))
		more := min(max(int64(len(head)), positionPart), tailAt-end)
		head = append(head, p.part(end, end+more)...)
		text, last := head, end+more == tailAt
		if last {
			text = slices.Concat(head, tail)
		}
		if ok = r.readHead(text, int(r.start-headAt)); ok || last || p.err != nil {
			return head, ok
		}
		*r, _ = readTail(tail, tailAt+int64(len(tail))) // without what was read of the head
	}
}

// part returns the bytes between two offsets, and none after an error.
func (p *partReader) part(start, end int64) []byte {
	data := make([]byte, end-start)
	if !p.fill(data, start) {
		return nil
	}
	return data
}

// sum adds the bytes between two offsets to a checksum.
func (p *partReader) sum(sum uint32, start, end int64) uint32 {
	b := make([]byte, min(positionPart, end-start))
	for ; start < end; start += int64(len(b)) {
		if b = b[:min(int64(len(b)), end-start)]; !p.fill(b, start) {
			break
		}
		sum = crc32.Update(sum, castagnoli(), b)
	}
	return sum
}

func (p *partReader) fill(b []byte, at int64) bool {
	if p.err == nil {
		n, err := p.from.ReadAt(b, at)
		if n < len(b) {
			p.err = err
		}
	}
	return p.err == nil
}
