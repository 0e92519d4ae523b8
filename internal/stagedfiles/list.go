// Package stagedfiles keeps the rules of a tree that is written file by file:
// no path twice, the manifest last, each file of its declared size, and no tree
// with an incomplete file. It does not know where the bytes go.
package stagedfiles

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
)

const manifestName = "manifest.json"

// A List has the files of one tree. The zero List is empty.
type List struct {
	mu      sync.Mutex
	open    map[*file]bool
	paths   map[string]kind
	failed  error // of the first file that failed
	closed  bool  // by Seal or Discard
	discard bool  // by Discard
}

// A kind is what the tree has at a path.
type kind int

const (
	isFolder kind = iota + 1
	isFile
)

// A Writer writes the bytes of one file.
type Writer interface {
	io.Writer
	// Close ends a file of which all bytes were written.
	Close() error
	// Abort ends a file that can't be completed.
	Abort() error
}

// Create begins a file. It calls open, one call at a time, unless the path is
// refused. If open fails, the tree can't be sealed.
func (l *List) Create(name string, size int64, open func() (Writer, error)) (io.WriteCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(name); err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	w, err := open()
	if err != nil {
		l.fail(err)
		return nil, err
	}
	f := &file{list: l, name: name, left: size, w: w}
	if l.open == nil {
		l.open, l.paths = map[*file]bool{}, map[string]kind{}
	}
	l.open[f] = true
	l.paths[name] = isFile
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		l.paths[dir] = isFolder
	}
	return f, nil
}

// check returns why a file of that name can't be begun now.
func (l *List) check(name string) error {
	if l.closed {
		return fs.ErrClosed
	}
	if l.paths[name] != 0 {
		return fs.ErrExist
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if l.paths[dir] == isFile {
			return fmt.Errorf("%s is a file: %w", dir, fs.ErrExist)
		}
	}
	if l.paths[manifestName] != 0 {
		return fmt.Errorf("%s was begun before: %w", manifestName, fs.ErrInvalid)
	}
	if name == manifestName && len(l.open) > 0 {
		return fmt.Errorf("another file is open: %w", fs.ErrInvalid)
	}
	return nil
}

func (l *List) fail(err error) {
	if l.failed == nil {
		l.failed = err
	}
}

// Seal returns an error if a file is open or failed. After Seal, also after one
// that returned the error of a file, Create fails.
func (l *List) Seal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.open {
		return &fs.PathError{Op: "seal", Path: f.name, Err: fmt.Errorf("the file is still open: %w", fs.ErrInvalid)}
	}
	if l.discard {
		return fs.ErrClosed
	}
	l.closed = true
	return l.failed
}

// Discard aborts the files that are open.
func (l *List) Discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.discard = true, true
	for f := range l.open {
		_ = f.w.Abort() // its bytes are removed with the tree
	}
	clear(l.open)
}

// A file is an open file of the tree.
type file struct {
	list *List
	name string
	left int64 // bytes to be written
	w    Writer
	err  error // of a Write
}

// Write writes to the file, and fails if that is more than its size.
func (f *file) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n := 0
	if int64(len(p)) > f.left {
		f.err = &fs.PathError{Op: "write", Path: f.name, Err: fmt.Errorf("more bytes than its size: %w", fs.ErrInvalid)}
	} else if n, f.err = f.w.Write(p); f.err == nil && n < len(p) {
		f.err = io.ErrShortWrite
	}
	f.left -= int64(n)
	return n, f.err
}

// Close ends the file, or aborts it if bytes are missing.
func (f *file) Close() error {
	f.list.mu.Lock()
	open := f.list.open[f]
	f.list.mu.Unlock()
	if !open {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	err := f.err
	if err == nil && f.left > 0 {
		err = &fs.PathError{Op: "close", Path: f.name, Err: fmt.Errorf("%d bytes are missing: %w", f.left, io.ErrUnexpectedEOF)}
	}
	if err != nil {
		_ = f.w.Abort()
	} else {
		err = f.w.Close()
	}
	f.list.mu.Lock()
	defer f.list.mu.Unlock()
	delete(f.list.open, f)
	if err != nil {
		f.list.fail(fmt.Errorf("%s was not written: %w", f.name, err))
	}
	return err
}
