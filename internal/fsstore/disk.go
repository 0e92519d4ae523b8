package fsstore

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"time"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// Files are read into memory whole. A file above these limits is refused,
// because reading it would exhaust the memory.
const (
	maxDocument = 1 << 30
	maxLog      = min(4<<30, math.MaxInt/2) // of one read
)

// A Disk does all the I/O of the store's protocol. It is an interface so that
// tests can record the I/O, make it fail, and build every state that a crash
// could leave. Names are slash-separated and relative to the store.
type Disk interface {
	Dir() string // the folder that names are relative to
	Lstat(name string) (fs.FileInfo, error)
	// Stamp is Lstat for callers that only compare. It may follow a symlink
	// above the name, because nothing is read through it. A missing file has
	// the zero Stamp.
	Stamp(name string) (Stamp, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	// ReadFrom reads a file from an offset on, and returns the stamp of the
	// file read. The error for a shorter file matches fs.ErrNotExist; for one
	// that is too large or not a regular file, fs.ErrInvalid.
	ReadFrom(name string, offset int64) ([]byte, FileID, error)
	// ReadAt reads a part of a file, and returns which file it read. It reads
	// less if the file ends before the part does.
	ReadAt(name string, part []byte, offset int64) (n int, id FileID, err error)
	// OpenRead opens a regular file for reading.
	OpenRead(name string) (ReadFile, error)
	// Mkdir makes a folder. If the folder above is shared, the new one has the
	// rights of that from the start.
	Mkdir(name string) error
	// Make makes an empty file with the rights of its folder, as Mkdir does. A
	// file that is there stays.
	Make(name string) error
	Rename(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	// Open opens a file for writing, and makes it if it is missing.
	Open(name string) (File, error)
	// ShareLike gives a new file the mode and the group of the file that it is
	// to replace, as far as the system lets it.
	ShareLike(name, other string)
	// Sync makes a file's bytes, or a folder's entries, durable.
	Sync(name string) error
	Close() error
}

// A FileID identifies a file, if it is not zero.
type FileID struct{ Device, Inode uint64 }

func idOf(info fs.FileInfo) FileID {
	device, inode := fsroot.Identity(info)
	return FileID{device, inode}
}

// A File is one that is open for writing.
type File interface {
	io.WriterAt
	Truncate(size int64) error
	SetTime(t time.Time) error // of modification
	Chmod(mode fs.FileMode) error
	// StartSync lets the system begin to write a part of the file to the disk.
	// It makes nothing durable.
	StartSync(offset, size int64)
	Sync() error
	Close() error
}

// A ReadFile is one that is open for reading.
type ReadFile interface {
	fs.File
	io.ReaderAt
}

// dirDisk is the real Disk: the operating system, confined to one folder, so
// that a planted symlink leads nowhere.
type dirDisk struct{ root *os.Root }

func (d dirDisk) Dir() string                            { return d.root.Name() }
func (d dirDisk) Lstat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }
func (d dirDisk) Stamp(name string) (Stamp, error)       { return lstat(d.root.Name(), name) }
func (d dirDisk) Mkdir(name string) error                { return fsroot.Mkdir(d.root, name) }
func (d dirDisk) Make(name string) error                 { return fsroot.MakeFile(d.root, name) }
func (d dirDisk) Rename(from, to string) error           { return d.root.Rename(from, to) }
func (d dirDisk) Remove(name string) error               { return fsroot.Remove(d.root, name) }
func (d dirDisk) RemoveAll(name string) error            { return fsroot.RemoveAll(d.root, name) }
func (d dirDisk) ShareLike(name, other string)           { fsroot.ShareLike(d.root, name, other) }
func (d dirDisk) Close() error                           { return d.root.Close() }

func (d dirDisk) ReadDir(name string) ([]fs.DirEntry, error) { return fsroot.ReadDir(d.root, name) }

func (d dirDisk) ReadFrom(name string, offset int64) ([]byte, FileID, error) {
	f, info, err := fsroot.OpenFile(d.root, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, FileID{}, err
	}
	defer f.Close()
	id, size := idOf(info), info.Size()-offset
	if size < 0 {
		return nil, id, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	limit := int64(maxLog)
	if path.Base(name) == documentName {
		limit = maxDocument
	}
	if size > limit {
		return nil, id, &fsroot.SizeError{Path: name, Size: size, Limit: limit}
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, offset)
	if err == io.EOF { // the file was truncated meanwhile
		err = nil
	}
	return data[:n], id, err
}

func (d dirDisk) ReadAt(name string, part []byte, offset int64) (n int, id FileID, err error) {
	f, info, err := fsroot.OpenFile(d.root, name, os.O_RDONLY, 0)
	if err != nil {
		return 0, FileID{}, err
	}
	defer f.Close()
	n, err = f.ReadAt(part, offset)
	if err == io.EOF {
		err = nil
	}
	return n, idOf(info), err
}

func (d dirDisk) OpenRead(name string) (ReadFile, error) {
	f, _, err := fsroot.OpenFile(d.root, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d dirDisk) Open(name string) (File, error) {
	f, _, err := fsroot.OpenFile(d.root, name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if f, _, err = fsroot.OpenFile(d.root, name, os.O_WRONLY|os.O_CREATE, 0o666); err == nil {
			fsroot.Share(d.root, name)
		}
	}
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d.root, name}, nil
}

// A diskFile is an open file with its name below the root, because its time
// can't be set by its handle.
type diskFile struct {
	*os.File
	root *os.Root
	name string
}

func (f *diskFile) SetTime(t time.Time) error { return f.root.Chtimes(f.name, time.Time{}, t) }

func (d dirDisk) Sync(name string) error {
	f, err := fsroot.OpenAny(d.root, name)
	if err != nil {
		return err
	}
	err = syncFile(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
