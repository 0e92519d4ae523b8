// Package beneath opens and moves files below a folder and never outside it, as [os.Root]
// does. Where the system can resolve a name beneath a folder by itself (Linux since 5.6), an open
// is one system call, where os.Root takes two a folder on the way and five for the poller; what does not
// go that way goes through os.Root, which also has the last word on errors.
package beneath

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// A Dir is an open folder. It is safe for concurrent use. Names are slash-separated and
// relative to it; a symlink that leads out of it is an error.
type Dir struct {
	root *os.Root
	path string
	fast // what resolves names without the root, where the system can
}

// OpenDir opens a folder.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root, path: path, fast: openFast(root, path)}, nil
}

// Close closes the folder. Calls under way end first.
func (d *Dir) Close() error {
	d.fast.close()
	return d.root.Close()
}

// Path returns the name that the folder was opened by.
func (d *Dir) Path() string { return d.path }

// FS returns the folder as a file system, in which a listing costs no stat for each entry.
func (d *Dir) FS() fs.FS { return dirFS{d} }

type dirFS struct{ d *Dir }

func (f dirFS) Open(name string) (fs.File, error)          { return f.d.Open(name) }
func (f dirFS) Stat(name string) (fs.FileInfo, error)      { return f.d.Stat(name) }
func (f dirFS) ReadDir(name string) ([]fs.DirEntry, error) { return f.d.ReadDir(name) }

// Open opens a file or a folder for reading.
func (d *Dir) Open(name string) (*os.File, error) { return d.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens a file as os.OpenFile does.
func (d *Dir) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if f, err := d.open(name, flag, perm); f != nil || err != nil {
		return f, err
	}
	return d.root.OpenFile(name, flag, perm)
}

// WriteFile writes a file as os.WriteFile does.
func (d *Dir) WriteFile(name string, data []byte, perm fs.FileMode) error {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// ReadFile reads a whole file.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, info.Size()+1) // one more, so that the end shows
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
	}
}

// ReadDir lists a folder, sorted by name.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Stat returns what is known of a file, of what a symlink leads to.
func (d *Dir) Stat(name string) (fs.FileInfo, error) {
	if name == "." && d.fast.file != nil {
		return d.fast.file.Stat()
	}
	f, err := d.open(name, openPath, 0)
	if f == nil || err != nil {
		return d.root.Stat(name)
	}
	defer f.Close()
	return f.Stat()
}

// Lstat returns what is known of a file, of a symlink itself.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }

// Chmod sets a file's permission bits.
func (d *Dir) Chmod(name string, mode fs.FileMode) error { return d.root.Chmod(name, mode) }

// RemoveAll removes a file or a folder with all that is in it.
func (d *Dir) RemoveAll(name string) error { return d.root.RemoveAll(name) }

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	if d.mkdir(name, perm) {
		return nil
	}
	return d.root.Mkdir(name, perm)
}

// SetTime sets when a file was modified. Of a symlink it may set the link's own time.
func (d *Dir) SetTime(name string, t time.Time) error {
	if d.setTime(name, t) {
		return nil
	}
	return d.root.Chtimes(name, time.Time{}, t)
}

// Remove removes a file or an empty folder.
func (d *Dir) Remove(name string) error {
	if d.remove(name) {
		return nil
	}
	return d.root.Remove(name)
}

// Rename renames a file or a folder.
func (d *Dir) Rename(from, to string) error {
	if d.rename(from, to) {
		return nil
	}
	return d.root.Rename(from, to)
}
