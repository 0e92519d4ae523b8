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

// checksumFrom is the checksum of data behind other data, given the CRC of
// that.
func checksumFrom(crc uint32, data []byte) string {
	return fmt.Sprintf("%08x", crc32.Update(crc, castagnoli, data))
}

// The end of a document that we wrote: the checksum of all before it.
const (
	sumStart = `"crc32c": "`
	sumEnd   = "\"\n  }\n}"
	sumSize  = len(sumStart) + 8 + len(sumEnd)
)

func appendSum(b []byte) []byte {
	sum := checksum(b)
	return append(append(append(b, sumStart...), sum...), "\"\n  }"...)
}

// keyStart stands before the members of our key in a document that we wrote.
const keyStart = "\n  \"" + Key + "\": {"

// Our key ends in a few short members, the first of which says which event the
// document stands at. Members that a later release adds stand before
// "versions".
const (
	tailStart = "\n    \"event\""
	tailSize  = 512 // is more than they take
)

// Position tells from the two ends of our key, without reading what is between,
// that a document is one of ours and unchanged, and returns all of the key but
// what it keeps of the versions. It may miss one whose layout changed; Parse
// does not.
func Position(data []byte) (at Mark, ok bool) {
	end := len(data) - sumSize
	if end < 0 || !bytes.HasPrefix(data[end:], []byte(sumStart)) || !bytes.HasSuffix(data, []byte(sumEnd)) ||
		string(data[end+len(sumStart):end+len(sumStart)+8]) != checksum(data[:end]) {
		return at, false
	}
	r := markReader{data: data, into: &at, sound: true}
	behind := max(0, end-tailSize)
	i := bytes.LastIndex(data[behind:end], []byte(tailStart))
	if i < 0 {
		return at, false
	}
	_, err := pyjson.MembersFrom(data, behind+i+len(tailStart)-len(`"event"`), r.member)
	if err != nil || !r.sound {
		return at, false
	}
	if r.start == 0 {
		return at, at.Format == 0 // which a release before format 2 does not write either
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
