package pathname

import (
	"errors"
	"fmt"
	"strings"
)

// CheckFolder returns why a program should not make a folder of that path, or
// nil. It refuses a leading tilde and a URL, also if a path function has turned
// its two slashes into one. The program would make a folder ./~ or ./s3:, which
// its user does not expect.
func CheckFolder(dir string) error {
	scheme, rest, named := strings.Cut(dir, ":")
	switch {
	case dir == "":
		return errors.New("it is empty")
	case strings.Contains(dir, "://"), named && isScheme(scheme) && strings.HasPrefix(rest, "/"):
		return errors.New("it is a URL, not a folder")
	case dir[0] == '~':
		return fmt.Errorf("only a shell expands ~: give the home folder's path, or ./%s for a folder of that name", dir)
	}
	return nil
}

// isScheme reports whether a name can be a URL's scheme. A single letter is a
// Windows drive.
func isScheme(s string) bool {
	if len(s) < 2 {
		return false
	}
	for i, c := range strings.ToLower(s) {
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return false
		}
	}
	return true
}
