// Package fsroot adds to [os.Root], which confines names to a folder, what the
// registry needs of it beside.
package fsroot

import (
	"io/fs"
	"os"
	"slices"
	"strings"
)

// ReadDir lists a folder below the root, sorted by name. It opens the folder
// for each listing: a descriptor that was opened before a file existed need not
// list it.
func ReadDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
