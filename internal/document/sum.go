package document

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) string { return checksumFrom(0, data) }

// checksumFrom is the checksum of data behind other data, given the CRC of that.
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

// Position tells from the bytes of a document, without reading it as JSON, that it
// is one of ours and unchanged, and where it stands. It may miss one
// that was laid out anew; Parse does not.
func Position(data []byte) (at Mark, ok bool) {
	end := len(data) - sumSize
	if end < 0 || !bytes.HasPrefix(data[end:], []byte(sumStart)) || !bytes.HasSuffix(data, []byte(sumEnd)) ||
		string(data[end+len(sumStart):end+len(sumStart)+8]) != checksum(data[:end]) {
		return at, false
	}
	const events = "\n    \"event\": "
	tail := string(data[max(0, end-512):end])
	event, tail, _ := strings.Cut(tail[max(0, strings.LastIndex(tail, events)):], ",\n    \"offset\": ")
	offset, tail, _ := strings.Cut(tail, ",\n    \"hash\": \"")
	hash, _, ok := strings.Cut(tail, `"`)
	var errEvent, errOffset error
	at.Event, errEvent = strconv.ParseInt(strings.TrimPrefix(event, events), 10, 64)
	at.Offset, errOffset = strconv.ParseInt(offset, 10, 64)
	at.Hash = hash
	return at, ok && errEvent == nil && errOffset == nil
}
