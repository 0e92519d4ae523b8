package fsstore

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"time"

	"github.com/ubunye-go/modelregistry/internal/beneath"
)

// What is read goes into memory whole. A file beyond these is refused, for the
// process would die of it.
const (
	maxDocument = 1 << 30
	maxLog      = min(4<<30, math.MaxInt/2) // of one read
)

// A SizeError says that a file holds more than the store reads. It matches
// fs.ErrInvalid.
type SizeError struct {
	Path  string
	Size  int64 // bytes to read
	Limit int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("read %s: %d bytes, more than %d", e.Path, e.Size, e.Limit)
}

// Unwrap returns fs.ErrInvalid.
func (e *SizeError) Unwrap() error { return fs.ErrInvalid }

// A Disk is all the I/O that the store's protocol consists of: a seam, so that
// tests can record it, fail it, and build every state that a crash could leave.
// Names are slash-separated and relative to the store.
type Disk interface {
	Dir() string // the folder that names are relative to
	Lstat(name string) (fs.FileInfo, error)
	// Stamp is Lstat for looks that only compare, and costs the system call and
	// nothing else; it may follow a symlink above the name, for nothing is read by it. What is
	// missing has the zero Stamp.
	Stamp(name string) (Stamp, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	// ReadFrom reads a file from an offset on, and says which one it was. A file that is shorter is an
	// error that matches fs.ErrNotExist; what is no file, or too large, one that
	// matches fs.ErrInvalid.
	ReadFrom(name string, offset int64) ([]byte, FileID, error)
	Mkdir(name string) error
	Rename(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	// Open opens a file for writing, and makes it if it is missing.
	Open(name string) (File, error)
	// Sync makes a file's bytes, or a folder's entries, durable.
	Sync(name string) error
	// SyncAll makes all durable that was written below the folder, by one sync of its file
	// system. Where that can't be done it is an error that matches errors.ErrUnsupported.
	SyncAll() error
	Close() error
}

// A FileID tells a file from others, if it is not zero.
type FileID struct{ Device, Inode uint64 }

// A File is one that is open for writing.
type File interface {
	io.WriterAt
	Truncate(size int64) error
	SetTime(t time.Time) error // of modification
	Sync() error
	Close() error
}

// dirDisk is the Disk: the operating system, confined to one folder, so that a
// planted symlink leads nowhere.
type dirDisk struct {
	at    *beneath.Dir
	whole *wholeFS
}

func (d dirDisk) Dir() string                            { return d.at.Path() }
func (d dirDisk) Lstat(name string) (fs.FileInfo, error) { return d.at.Lstat(name) }
func (d dirDisk) Stamp(name string) (Stamp, error)       { return lstat(d.at.Path(), name) }
func (d dirDisk) Mkdir(name string) error                { return d.at.Mkdir(name, 0o777) }
func (d dirDisk) Rename(from, to string) error           { return d.at.Rename(from, to) }
func (d dirDisk) Remove(name string) error               { return d.at.Remove(name) }
func (d dirDisk) RemoveAll(name string) error            { return d.at.RemoveAll(name) }
func (d dirDisk) SyncAll() error {
	return d.whole.sync(func() (*os.File, error) { return d.at.Open(".") })
}

func (d dirDisk) Close() error {
	d.whole.close()
	return d.at.Close()
}

func (d dirDisk) ReadDir(name string) ([]fs.DirEntry, error) { return d.at.ReadDir(name) }

func (d dirDisk) ReadFrom(name string, offset int64) ([]byte, FileID, error) {
	f, err := d.at.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, FileID{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, FileID{}, err
	}
	id, size := FileID{st.Device, st.Inode}, st.Size-offset
	if !st.Regular {
		return nil, id, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	if size < 0 {
		return nil, id, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	limit := int64(maxLog)
	if path.Base(name) == documentName {
		limit = maxDocument
	}
	if size > limit {
		return nil, id, &SizeError{name, size, limit}
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, offset)
	if err == io.EOF { // it was cut meanwhile
		err = nil
	}
	return data[:n], id, err
}

func (d dirDisk) Open(name string) (File, error) {
	return d.at.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
}

func (d dirDisk) Sync(name string) error {
	f, err := d.at.Open(name)
	if err != nil {
		return err
	}
	err = syncFile(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
