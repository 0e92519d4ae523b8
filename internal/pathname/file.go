package pathname

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxPath is the largest length in bytes of the path of an artifact's file. A
// bucket's key has at most 1024 bytes, and also contains the use case, the
// model and the version.
const MaxPath = 512

// CheckFile returns why s may not name a file or a folder of an artifact, or
// nil. It accepts a name only if a manifest, every kind of bucket and a copy of
// a bucket on disk keep it unchanged. It accepts names that only Windows
// refuses, because a name like "epoch:3" is usual elsewhere.
func CheckFile(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case !utf8.ValidString(s):
		return errors.New("it is not valid UTF-8")
	case strings.HasSuffix(s, "."):
		return errors.New("it ends in a dot, which not every bucket keeps")
	case escaped.MatchString(s):
		return errors.New("it holds what stands for an escaped character in a bucket")
	}
	for _, r := range s {
		switch {
		case r == '/':
			return errors.New("it holds a path separator")
		case r < 0x20 || 0x7f <= r && r < 0xa0:
			return errors.New("it holds a control character")
		case r == 0xfffe || r == 0xffff:
			return fmt.Errorf("it holds %U, which no bucket can list", r)
		case strings.ContainsRune(`\"#%?`, r):
			return fmt.Errorf("it holds %q, which not every bucket keeps", r)
		}
	}
	return nil
}

// escaped matches the text that gocloud.dev/blob writes for a character that a
// service can't keep in a key. It also reads that text in a name as such a
// character.
var escaped = regexp.MustCompile(`__0x[0-9A-Fa-f]+__`)
