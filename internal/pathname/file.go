package pathname

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxPath is the most bytes that the path of an artifact's file may have. A
// bucket's key has 1024 at most, and holds the names of use case, model and
// version besides.
const MaxPath = 512

// CheckFile returns why s may not name a file or a folder of an artifact, or
// nil. It accepts a name that a manifest holds as it is, and that is the same
// in a bucket of each kind and in a copy of that bucket on disk. Names that only
// Windows refuses pass: "epoch:3" is usual elsewhere.
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

// escaped is how gocloud.dev/blob writes a character that a service can't keep
// in a key. It takes the same text in a name for such a character.
var escaped = regexp.MustCompile(`__0x[0-9A-Fa-f]+__`)
