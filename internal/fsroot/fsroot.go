// Package fsroot adds to [os.Root], which confines names to a folder, what else
// the registry needs: listings, file systems and files that never block.
package fsroot

import (
	"io/fs"
	"os"
	"slices"
	"strings"
)

// OpenAny is root.Open that does not wait for the other end of a named pipe.
func OpenAny(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|openFlags, 0)
}

// ReadDir lists a folder below the root, sorted by name. It opens the folder
// for each listing, because a descriptor that was opened before a file existed
// need not list the file. It does not block if the name has become that of a
// named pipe.
func ReadDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	f, err := OpenAny(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// FS returns the files below the root as a file system. Unlike those of
// root.FS, its methods never wait for the other end of a named pipe. Open also
// opens files that are not regular.
func FS(root *os.Root) fs.ReadDirFS { return rootFS{root} }

type rootFS struct{ root *os.Root }

func (r rootFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := OpenAny(r.root, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (r rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return ReadDir(r.root, name)
}
