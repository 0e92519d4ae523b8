package document

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// errEnough ends a walk through members.
var errEnough = errors.New("enough")

// castagnoli makes its table at first use: a program that reads no store starts
// without it.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

func checksum(data []byte) string { return sumText(crc32.Checksum(data, castagnoli())) }

func sumText(sum uint32) string { return fmt.Sprintf("%08x", sum) }

// The end of a document that we wrote, with the checksum of all bytes before
// it.
const (
	sumStart = `"crc32c": "`
	sumEnd   = "\"\n  }\n}"
	sumSize  = len(sumStart) + 8 + len(sumEnd)
)

// keyStart is the text before the members of our key in a document that we
// wrote.
const keyStart = "\n  \"" + Key + "\": {"

// Our key ends in a few short members. The first of these, "event", says which
// event the document includes. A later release adds its members before
// "versions".
const (
	tailStart = "\n    \"event\""
	tailSize  = 512 // more bytes than these members take
)

// Position reads the start and the end of our key, and skips what the key says
// about single versions. It reports whether we wrote the document and no
// program changed it, and returns the rest of the key. It may report false for
// a document in another layout; Parse reads any.
func Position(data []byte) (at Mark, ok bool) {
	if !sealed(data) {
		return at, false
	}
	r, ok := readMark(data)
	return *r.into, ok
}

// sealed reports whether a document ends in the right checksum.
func sealed(data []byte) bool {
	sum, ok := sumOf(data)
	return ok && sum == checksum(data[:len(data)-sumSize])
}

// sumOf returns the checksum that a document ends in, given its end.
func sumOf(data []byte) (sum string, ok bool) {
	end := len(data) - sumSize
	if end < 0 || !bytes.HasPrefix(data[end:], []byte(sumStart)) || !bytes.HasSuffix(data, []byte(sumEnd)) {
		return "", false
	}
	return string(data[end+len(sumStart) : end+len(sumStart)+8]), true
}

// readMark is Position for a document whose checksum is right or does not
// matter.
func readMark(data []byte) (r markReader, ok bool) {
	r, ok = readTail(data, int64(len(data)))
	if ok && r.start > 0 {
		ok = r.readHead(data, int(r.start))
	}
	return r, ok
}

// readTail reads the end of our key, given the end of a document and the size
// of the document.
func readTail(data []byte, size int64) (r markReader, ok bool) {
	end := len(data) - sumSize
	r = markReader{data: data, into: &Mark{}, sound: true}
	if end < 0 {
		return r, false
	}
	tail := max(0, end-tailSize)
	i := bytes.LastIndex(data[tail:end], []byte(tailStart))
	if i < 0 {
		return r, false
	}
	_, err := pyjson.MembersFrom(data, tail+i+len(tailStart)-len(`"event"`), r.member)
	if err != nil || !r.sound {
		return r, false
	}
	if r.start == 0 {
		return r, r.into.Format == 0 // releases before format 2 do not write "start"
	}
	return r, r.start >= int64(len(keyStart)) && r.start <= size-int64(sumSize)
}

// readHead reads the start of our key, whose members begin at an index of data.
func (r *markReader) readHead(data []byte, start int) bool {
	if start > len(data) || !bytes.HasSuffix(data[:start], []byte(keyStart)) {
		return false
	}
	r.data = data
	_, err := pyjson.Members(data, start-1, 1, func(start, stop, at int) (int, error) {
		switch name := data[start:stop]; {
		case pyjson.Names(name, "versions"), pyjson.Names(name, "event"):
			return start, errEnough
		}
		return r.member(start, stop, at)
	})
	return errors.Is(err, errEnough) && r.sound
}
