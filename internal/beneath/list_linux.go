//go:build amd64 || arm64

package beneath

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
)

// An entry of a folder is known by its name and type; whoever asks for more looks at it by its path, as the standard
// library does.
type entry struct {
	folder, name string
	kind         fs.FileMode
}

func (e *entry) Name() string               { return e.name }
func (e *entry) IsDir() bool                { return e.kind.IsDir() }
func (e *entry) Type() fs.FileMode          { return e.kind }
func (e *entry) Info() (fs.FileInfo, error) { return os.Lstat(e.folder + "/" + e.name) }
func (e *entry) String() string             { return fs.FormatDirEntry(e) }

var listBuffers = sync.Pool{New: func() any { return new([8 << 10]byte) }}

// readDir lists a folder; it reports false if that is for others to do, or to say why not.
func (f *fast) readDir(dir, name string) (list []fs.DirEntry, done bool, err error) {
	if !f.enter() {
		return nil, false, nil
	}
	defer f.leave()
	fd := f.fd
	if name != "." || f.listed.Swap(true) { // from a place in the folder that only one can use, once
		switch fd, err = openBeneath(f.fd, name, syscall.O_RDONLY|syscall.O_DIRECTORY, 0); err {
		case nil:
			defer syscall.Close(fd)
		case syscall.ENOENT:
			return nil, false, &fs.PathError{Op: "open", Path: name, Err: err}
		default:
			return nil, false, nil
		}
	}
	folder := dir
	if name != "." {
		folder += "/" + name
	}
	buf := listBuffers.Get().(*[8 << 10]byte)
	defer listBuffers.Put(buf)
	for {
		n, err := again(func() (int, error) { return syscall.Getdents(fd, buf[:]) })
		if err != nil {
			return nil, false, &fs.PathError{Op: "readdirent", Path: name, Err: err}
		}
		if n == 0 {
			return list, true, nil
		}
		if list, err = appendEntries(list, folder, buf[:n]); err != nil {
			return nil, false, err
		}
	}
}

// appendEntries takes in what getdents64(2) gave: into one list, the names into one string, for most folders are listed to be
// looked through once.
func appendEntries(list []fs.DirEntry, folder string, data []byte) ([]fs.DirEntry, error) {
	const lenAt, typeAt, nameAt = 16, 18, 19 // in a struct linux_dirent64
	size := func(at int) int { return int(binary.NativeEndian.Uint16(data[at+lenAt:])) }
	n := 0
	for at := 0; at < len(data); at += size(at) {
		n++
	}
	text, entries := string(data), make([]entry, 0, n)
	for at := 0; at < len(data); at += size(at) {
		name, _, _ := strings.Cut(text[at+nameAt:at+size(at)], "\x00")
		if name == "." || name == ".." {
			continue
		}
		entries = append(entries, entry{folder: folder, name: name})
		e, known := &entries[len(entries)-1], false
		if e.kind, known = kinds[data[at+typeAt]]; !known {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // it is gone
			}
			if err != nil {
				return nil, err
			}
			e.kind = info.Mode().Type()
		}
		list = append(list, e)
	}
	return list, nil
}

// kinds are the types that a file system may tell in a listing.
var kinds = map[byte]fs.FileMode{
	syscall.DT_REG:  0,
	syscall.DT_DIR:  fs.ModeDir,
	syscall.DT_LNK:  fs.ModeSymlink,
	syscall.DT_FIFO: fs.ModeNamedPipe,
	syscall.DT_SOCK: fs.ModeSocket,
	syscall.DT_CHR:  fs.ModeDevice | fs.ModeCharDevice,
	syscall.DT_BLK:  fs.ModeDevice,
}
