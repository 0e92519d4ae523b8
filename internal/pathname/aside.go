package pathname

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// A version's tree that is put aside gets the name {version}-{time}-{id} in a
// folder, and {version}-{id} with a whole id in a bucket.
const (
	AsideTime = "20060102T150405Z" // the layout of the time
	ShortID   = 8                  // characters of the id after it
)

// NewID returns a random id.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// IsID reports whether a name is an id: 16 bytes in hexadecimal.
func IsID(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 16 && name == strings.ToLower(name)
}

// Aside reports whether a name is that of a tree that was put aside, by a store
// of either kind. at is the time in the name, or zero if it has none.
func Aside(name string) (at time.Time, ours bool) {
	parts := strings.Split(name, "-")
	n := len(parts)
	if n > 1 && IsID(parts[n-1]) {
		return at, true
	}
	if n < 3 || len(parts[n-1]) != ShortID {
		return at, false
	}
	at, err := time.Parse(AsideTime, parts[n-2])
	return at, err == nil
}
