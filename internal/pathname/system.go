package pathname

import (
	"slices"
	"strings"
)

// MadeBySystem reports whether a system puts files of this name into folders by
// itself. A file manager of macOS or Windows does so, and a network file system
// does so for a file that was removed while a program had it open.
func MadeBySystem(name string) bool {
	for _, known := range []string{".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini"} {
		if strings.EqualFold(name, known) {
			return true
		}
	}
	for _, prefix := range []string{"._", ".nfs", ".fuse_hidden"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// FolderOfSystem reports whether a system makes a folder of this name at the
// root of a volume, which only an administrator may read.
func FolderOfSystem(name string) bool {
	return slices.Contains([]string{"lost+found", "System Volume Information", "$RECYCLE.BIN"}, name)
}
