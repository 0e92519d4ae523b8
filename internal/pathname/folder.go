package pathname

import (
	"errors"
	"fmt"
	"strings"
)

// CheckFolder returns why a program should not make a folder of that path, or
// nil. It refuses a URL, also one whose two slashes a path function made one,
// and a leading tilde. The folder would be ./s3: or ./~, where no user looks.
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
