//go:build !linux || (!amd64 && !arm64)

package beneath

import (
	"errors"
	"io/fs"
	"os"
)

const (
	openPath = 0
	noFollow = 0
)

// A fast does nothing here: all is left to os.Root.
type fast struct{}

func openFast(string) *fast                                       { return nil }
func (*fast) close() error                                        { return nil }
func (*fast) root(path string) (*os.Root, error)                  { return os.OpenRoot(path) }
func (*fast) openOS(string, string, int) (*os.File, error)        { return nil, nil }
func (*fast) openFile(string, int, fs.FileMode) (File, error)     { return nil, nil }
func (*fast) readDir(string, string) ([]fs.DirEntry, bool, error) { return nil, false, nil }
func (*fast) mkdir(string, fs.FileMode) bool                      { return false }
func (*fast) remove(string) bool                                  { return false }
func (*fast) rename(from, to string) bool                         { return false }

// A Lock is none here.
type Lock struct{}

// OpenLock returns nil: locking is for others to do.
func (*Dir) OpenLock(name, path string) *Lock { return nil }

func (*Lock) TryLock() (bool, error) { return false, errors.ErrUnsupported }
func (*Lock) Lock() error            { return errors.ErrUnsupported }
func (*Lock) Named() (bool, error)   { return false, errors.ErrUnsupported }
func (*Lock) Unlock() error          { return errors.ErrUnsupported }
func (*Lock) Await(bool)             {}
func (*Lock) Awaited() bool          { return false }
