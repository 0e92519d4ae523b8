package document

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) string { return checksumFrom(0, data) }

// checksumFrom returns the checksum of data that follows other data, given the
// CRC of the other data.
func checksumFrom(crc uint32, data []byte) string {
	return fmt.Sprintf("%08x", crc32.Update(crc, castagnoli, data))
}

// The end of a document that we wrote, with the checksum of all bytes before
// it.
const (
	sumStart = `"crc32c": "`
	sumEnd   = "\"\n  }\n}"
	sumSize  = len(sumStart) + 8 + len(sumEnd)
)

func appendSum(b []byte) []byte {
	sum := checksum(b)
	return append(append(append(b, sumStart...), sum...), "\"\n  }"...)
}

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
	end := len(data) - sumSize
	if end < 0 || !bytes.HasPrefix(data[end:], []byte(sumStart)) || !bytes.HasSuffix(data, []byte(sumEnd)) ||
		string(data[end+len(sumStart):end+len(sumStart)+8]) != checksum(data[:end]) {
		return at, false
	}
	r := markReader{data: data, into: &at, sound: true}
	tail := max(0, end-tailSize)
	i := bytes.LastIndex(data[tail:end], []byte(tailStart))
	if i < 0 {
		return at, false
	}
	_, err := pyjson.MembersFrom(data, tail+i+len(tailStart)-len(`"event"`), r.member)
	if err != nil || !r.sound {
		return at, false
	}
	if r.start == 0 {
		return at, at.Format == 0 // releases before format 2 do not write "start"
	}
	if r.start < 0 || r.start > int64(end) || !bytes.HasSuffix(data[:r.start], []byte(keyStart)) {
		return at, false
	}
	_, err = pyjson.Members(data, int(r.start)-1, 1, func(start, stop, at int) (int, error) {
		switch name := data[start:stop]; {
		case pyjson.Names(name, "versions"), pyjson.Names(name, "event"):
			return start, errEnough
		}
		return r.member(start, stop, at)
	})
	return at, errors.Is(err, errEnough) && r.sound
}
