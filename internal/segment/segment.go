// Package segment decides which names may become one segment of a path, on any
// system.
package segment

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLen is the most bytes that a name may have; common file systems take 255,
// and suffixes need room.
const MaxLen = 200

// Check returns why s may not name a file, or nil.
func Check(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case s[0] == '.':
		return errors.New("it starts with a dot")
	case len(s) > MaxLen:
		return fmt.Errorf("it has %d bytes, more than %d", len(s), MaxLen)
	case !utf8.ValidString(s):
		return errors.New("it is not valid UTF-8")
	case strings.HasSuffix(s, ".") || strings.HasSuffix(s, " "):
		return errors.New("it ends in a dot or a space")
	}
	for _, r := range s {
		switch {
		case r == '/' || r == '\\':
			return errors.New("it holds a path separator")
		case r < 0x20 || 0x7f <= r && r < 0xa0:
			return errors.New("it holds a control character")
		case strings.ContainsRune(`:*?<>|"`, r):
			return fmt.Errorf("it holds %q", r)
		}
	}
	if reserved(s) {
		return errors.New("it is reserved on Windows")
	}
	return nil
}

// reserved follows Microsoft's "Naming Files, Paths, and Namespaces": device
// names are reserved with any extension, superscript digits included.
func reserved(s string) bool {
	base, _, _ := strings.Cut(s, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, dev := range []string{"COM", "LPT"} {
		if port, ok := strings.CutPrefix(base, dev); ok {
			return utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
		}
	}
	return false
}
