// Package pathname checks that a name can be one segment of a path on every
// supported system.
package pathname

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"
)

// MaxLen is the largest length of a name in bytes. Common file systems allow
// 255; the rest is left for suffixes.
const MaxLen = 200

// maxFound is the largest length in bytes of a name that common file systems
// keep.
const maxFound = 255

// Check returns nil if s may be the name of a file, and otherwise an error that
// says why not.
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
			return errors.New("it contains a path separator")
		case r < 0x20 || 0x7f <= r && r < 0xa0:
			return errors.New("it contains a control character")
		case strings.ContainsRune(`:*?<>|"`, r):
			return fmt.Errorf("it contains %q", r)
		}
	}
	if reserved(s) {
		return errors.New("it is reserved on Windows")
	}
	return nil
}

// CheckFound returns nil if s may be the name of a folder that another program
// made on this system, and otherwise an error that says why not. Windows finds
// another folder than that of the name if the name ends in a dot or a space or
// is reserved, so there it is as strict as Check.
func CheckFound(s string) error {
	switch {
	case runtime.GOOS == "windows":
		return Check(s)
	case s == "":
		return errors.New("it is empty")
	case s == "." || s == "..":
		return errors.New("it is a path")
	case len(s) > maxFound:
		return fmt.Errorf("it has %d bytes, more than %d", len(s), maxFound)
	case !utf8.ValidString(s):
		return errors.New("it is not valid UTF-8")
	case strings.Contains(s, "/"):
		return errors.New("it contains a path separator")
	case strings.Contains(s, "\x00"):
		return errors.New("it contains a control character")
	}
	return nil
}

// reserved reports whether Windows reserves s as the name of a device, with or
// without an extension. It follows "Naming Files, Paths, and Namespaces" by
// Microsoft, which includes the superscript digits.
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
