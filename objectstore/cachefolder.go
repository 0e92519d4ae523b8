package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A CacheError says that the folder on this machine for downloaded versions
// can't be used: a full disk, or a missing right. The bucket is not at fault.
type CacheError struct {
	Dir string
	Err error
}

func (e *CacheError) Error() string { return fmt.Sprintf("cache folder %s: %v", e.Dir, e.Err) }

// Unwrap returns the cause. It returns nil if a file of the cache is missing,
// because that does not mean that the version's files are missing.
func (e *CacheError) Unwrap() error {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return nil
	}
	return e.Err
}

// A cacheFolder is the folder of a cache. It is made when a file is written to
// it. If the user did not name it and it can't be made, a temporary folder
// takes its place.
type cacheFolder struct {
	named bool // by the user
	log   *slog.Logger

	mu        sync.Mutex
	dir       string // empty if the system has no folder for caches
	absent    error  // why the system has none
	ready     bool   // the folder was made
	temporary bool
}

// newCacheFolder returns the folder dir, or the user's folder for caches if dir
// is empty.
func newCacheFolder(dir string, log *slog.Logger) *cacheFolder {
	if dir != "" {
		return &cacheFolder{named: true, dir: dir, log: log}
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return &cacheFolder{absent: err, log: log}
	}
	return &cacheFolder{dir: filepath.Join(dir, "modelregistry"), log: log}
}

// path returns the folder, which may not exist, or "".
func (f *cacheFolder) path() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dir
}

func (f *cacheFolder) isTemporary() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.temporary
}

// prepare makes the folder if it is not there.
func (f *cacheFolder) prepare() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready {
		return nil
	}
	err := f.absent
	if err == nil {
		err = writableFolder(f.dir)
	}
	if err == nil {
		f.ready = true
		return nil
	}
	if f.named {
		return &CacheError{f.dir, err}
	}
	dir, tempErr := os.MkdirTemp("", "modelregistry-cache-")
	if tempErr != nil {
		return &CacheError{f.dir, errors.Join(err, tempErr)}
	}
	f.log.LogAttrs(context.Background(), slog.LevelWarn,
		"there is no folder for the cache, so versions are downloaded to a temporary folder, which is removed at the end",
		slog.String("folder", dir), slog.Any("error", err))
	f.dir, f.ready, f.temporary = dir, true, true
	return nil
}

// writableFolder makes the folder of a cache, and tries to write to it.
func writableFolder(dir string) error {
	trees := filepath.Join(dir, treesName)
	if err := makeShared(trees); err != nil {
		return err
	}
	file, err := os.CreateTemp(trees, "try-")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// making is held while folders are made, so that a folder has its rights before
// another goroutine makes one in it.
var making sync.Mutex

// makeShared makes a folder and the missing folders above it. The users who
// share the folder above can use them, whatever the umask is.
func makeShared(dir string) error {
	making.Lock()
	defer making.Unlock()
	return makeSharedAll(dir)
}

func makeSharedAll(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeSharedAll(parent); err != nil {
			return err
		}
	}
	err := fsroot.MkdirPath(dir)
	if errors.Is(err, fs.ErrExist) { // another process made it
		return nil
	}
	return err
}

// A cacheFile is a new file in the cache. Its errors are those of the cache.
type cacheFile struct {
	*os.File
	c *cache
}

func (c *cache) create(name string) (*cacheFile, error) {
	f, err := os.Create(name)
	return &cacheFile{f, c}, c.failed(err)
}

func (f *cacheFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.c.failed(err)
}

func (f *cacheFile) Close() error { return f.c.failed(f.File.Close()) }

// finish gives a file of a tree its mode. The users who share the cache can
// read it.
func (c *cache) finish(name string, mode fs.FileMode) error {
	folder, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return c.failed(err)
	}
	return c.failed(os.Chmod(name, fsroot.Shared(mode, folder.Mode())&^0o222))
}

// newLock returns the lock of a file in the cache. It opens a lock file that is
// there without O_CREATE, which Linux refuses for another user's file in a
// folder with the sticky bit.
func newLock(file string) *flock.Flock {
	file += lockSuffix
	flag := os.O_RDONLY
	if _, err := os.Lstat(file); err != nil {
		flag |= os.O_CREATE
	}
	return flock.New(file, flock.SetFlag(flag), flock.SetPermissions(0o666))
}
