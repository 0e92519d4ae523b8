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
	"sync"
	"time"
)

// A Dir is an open folder, the same one wherever it is moved. It is safe for concurrent use. Names are
// slash-separated and relative to it; a symlink that leads out of it is an error.
type Dir struct {
	path string
	fast *fast // what resolves names without the root; nil where the system can't

	mu     sync.Mutex
	root   *os.Root // opened when it is first needed
	closed bool
}

// A File is an open file. It has to be closed, for where it is a mere descriptor nobody else will.
type File interface {
	io.Reader
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (FileStat, error)
	Truncate(size int64) error
	SetTime(t time.Time) error // of modification
	Sync() error
}

// A FileStat is what is known of a file that is open.
type FileStat struct {
	Size          int64
	Regular       bool
	Device, Inode uint64 // see Identity
}

// OpenDir opens a folder.
func OpenDir(path string) (*Dir, error) {
	d := &Dir{path: path, fast: openFast(path)}
	if d.fast == nil {
		var err error
		if d.root, err = os.OpenRoot(path); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Close closes the folder. Calls under way end first.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	err := d.fast.close()
	if d.root != nil {
		err = d.root.Close()
	}
	return err
}

// slow returns the folder as an os.Root.
func (d *Dir) slow() (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, &fs.PathError{Op: "open", Path: d.path, Err: fs.ErrClosed}
	}
	if d.root == nil {
		var err error
		if d.root, err = d.fast.root(d.path); err != nil {
			return nil, err
		}
	}
	return d.root, nil
}

// Path returns the name that the folder was opened by.
func (d *Dir) Path() string { return d.path }

// Open opens a file or a folder for reading.
func (d *Dir) Open(name string) (*os.File, error) {
	if f, err := d.fast.openOS(d.path, name, os.O_RDONLY); f != nil || err != nil {
		return f, err
	}
	root, err := d.slow()
	if err != nil {
		return nil, err
	}
	return root.Open(name)
}

// OpenFile opens a file as os.OpenFile does.
func (d *Dir) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	if f, err := d.fast.openFile(name, flag, perm); f != nil || err != nil {
		return f, err
	}
	root, err := d.slow()
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &slowFile{f, root, name}, nil
}

// A slowFile is a File of the standard library's.
type slowFile struct {
	*os.File
	root *os.Root
	name string
}

func (f *slowFile) Stat() (st FileStat, err error) {
	info, err := f.File.Stat()
	if err != nil {
		return st, err
	}
	st.Size, st.Regular = info.Size(), info.Mode().IsRegular()
	st.Device, st.Inode = Identity(info)
	return st, nil
}

func (f *slowFile) SetTime(t time.Time) error { return f.root.Chtimes(f.name, time.Time{}, t) }

// WriteFile writes a file as os.WriteFile does.
func (d *Dir) WriteFile(name string, data []byte, perm fs.FileMode) error {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// ReadFile reads a whole file.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, 0, smallFile)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err == nil && cap(data) == smallFile && len(data) == smallFile {
			var st FileStat
			st, err = f.Stat()
			data = slices.Grow(data, int(max(st.Size-smallFile, 0))+1) // one more, so that the end shows
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
	}
}

// smallFile is the size of a file that is read before it is asked how large it is.
const smallFile = 2 << 10

// ReadDir lists a folder, sorted by name.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, done, err := d.fast.readDir(d.path, name)
	if !done && err == nil {
		entries, err = d.readDir(name)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

func (d *Dir) readDir(name string) ([]fs.DirEntry, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// Stat returns what is known of a file, of what a symlink leads to.
func (d *Dir) Stat(name string) (fs.FileInfo, error) {
	return d.stat(name, openPath, (*os.Root).Stat)
}

// Lstat returns what is known of a file, of a symlink itself.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	return d.stat(name, openPath|noFollow, (*os.Root).Lstat)
}

func (d *Dir) stat(name string, flag int, slow func(*os.Root, string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	f, err := d.fast.openOS(d.path, name, flag)
	if err != nil {
		return nil, err
	}
	if f != nil {
		defer f.Close()
		return f.Stat()
	}
	root, err := d.slow()
	if err != nil {
		return nil, err
	}
	return slow(root, name)
}

// Chmod sets a file's permission bits.
func (d *Dir) Chmod(name string, mode fs.FileMode) error {
	return d.slowly(func(root *os.Root) error { return root.Chmod(name, mode) })
}

// RemoveAll removes a file or a folder with all that is in it.
func (d *Dir) RemoveAll(name string) error {
	return d.slowly(func(root *os.Root) error { return root.RemoveAll(name) })
}

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error {
	return d.either(d.fast.mkdir(name, perm), func(root *os.Root) error { return root.Mkdir(name, perm) })
}

// Remove removes a file or an empty folder.
func (d *Dir) Remove(name string) error {
	return d.either(d.fast.remove(name), func(root *os.Root) error { return root.Remove(name) })
}

// Rename renames a file or a folder.
func (d *Dir) Rename(from, to string) error {
	return d.either(d.fast.rename(from, to), func(root *os.Root) error { return root.Rename(from, to) })
}

// either has os.Root do what was not done.
func (d *Dir) either(done bool, slow func(root *os.Root) error) error {
	if done {
		return nil
	}
	return d.slowly(slow)
}

// slowly has os.Root do it.
func (d *Dir) slowly(do func(root *os.Root) error) error {
	root, err := d.slow()
	if err != nil {
		return err
	}
	return do(root)
}
