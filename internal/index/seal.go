package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"sync"
)

// HashLine returns the digest of a line, which the next event contains.
func HashLine(line []byte) string {
	sum := sha256.Sum256(line)
	var text [2 * len(sum)]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}

// ErrChecksum says that a line can be read, but its checksum is wrong.
var ErrChecksum = errors.New("the line does not have its checksum")

// castagnoli makes its table at first use: a program that reads no store starts
// without it.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

const sealSize = len(`,"crc32c":"00000000"}`)

// Seal ends a line with the checksum of its content. The digest in the next
// line would also show a change, but the last line has no next line.
func Seal(held []byte) []byte { return appendSeal(held, held) }

func appendSeal(b, held []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(held, castagnoli()))
	b = hex.AppendEncode(append(b, `,"crc32c":"`...), sum[:])
	return append(b, `"}`...)
}

// Unseal returns the content of a line before its checksum, and whether the
// checksum is right.
func Unseal(line []byte) (held []byte, ok bool) {
	held = line[:max(0, len(line)-sealSize)]
	var seal [sealSize]byte
	return held, bytes.Equal(appendSeal(seal[:0], held), line[len(held):])
}
