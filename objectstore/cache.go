package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A cache keeps trees in a folder that processes share:
//
//	trees/{key}/          a whole tree; the key ends in its size
//	trees/{key}.lock      held while the tree is used; its time is that of the last use
//	trees/{key}.partial/  a tree that is being downloaded, under an exclusive lock
//	staging/{id}, {id}.lock   a registration's files, while its process lives
//
// Users may share the folder. What is made in it has the rights that its folder
// has.
type cache struct {
	folder *cacheFolder
	limit  int64
	log    *slog.Logger

	swept sync.Once
}

const (
	treesName     = "trees"
	lockSuffix    = ".lock"
	partialSuffix = ".partial"
	// pollEvery is how often a lock that another process holds is tried. A
	// process holds it for as long as a download takes.
	pollEvery = 10 * time.Millisecond
)

func (c *cache) tree(key string) string { return filepath.Join(c.folder.path(), treesName, key) }

// failed returns the error of an operation on the cache's files.
func (c *cache) failed(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &CacheError{c.folder.path(), err}
}

// get returns a tree from the cache, locked against its removal.
func (c *cache) get(ctx context.Context, key string) (dir string, release func(), ok bool, err error) {
	if c.folder.path() == "" {
		return "", nil, false, nil
	}
	dir = c.tree(key)
	if _, err := os.Lstat(dir); err != nil {
		return "", nil, false, nil
	}
	lock := newLock(dir)
	if _, err := lock.TryRLockContext(ctx, pollEvery); err != nil {
		return "", nil, false, c.failed(err)
	}
	if _, err := os.Lstat(dir); err != nil { // another process removed it meanwhile
		return "", nil, false, c.failed(lock.Unlock())
	}
	used(dir + lockSuffix)
	return dir, sync.OnceFunc(func() { lock.Unlock() }), true, nil
}

// used sets the time of a lock file, by which trees are evicted. Only the owner
// of a file may set its time; another user who shares the cache writes a byte.
// If that fails, too, the tree is evicted a little early.
func used(lock string) {
	now := time.Now()
	if os.Chtimes(lock, now, now) == nil {
		return
	}
	if f, err := os.OpenFile(lock, os.O_WRONLY, 0); err == nil {
		f.Write([]byte{'\n'})
		f.Close()
	}
}

// open returns a tree. If it is not in the cache, fill writes it, in one of all
// processes.
func (c *cache) open(ctx context.Context, key string, fill func(dir string) error) (dir string, release func(), err error) {
	for {
		dir, release, ok, err := c.get(ctx, key)
		if ok || err != nil {
			return dir, release, err
		}
		if err := c.fill(ctx, key, fill); err != nil {
			return "", nil, err
		}
	}
}

func (c *cache) fill(ctx context.Context, key string, fill func(dir string) error) error {
	if err := c.folder.prepare(); err != nil {
		return err
	}
	dir := c.tree(key)
	if err := makeShared(filepath.Dir(dir)); err != nil {
		return c.failed(err)
	}
	lock := newLock(dir)
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		return c.failed(err)
	}
	defer lock.Unlock()
	fsroot.SharePath(dir + lockSuffix)
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	c.evict(keySize(key), key)
	partial := dir + partialSuffix
	if err := errors.Join(removeAll(partial), makeShared(partial)); err != nil {
		return c.failed(err)
	}
	err := fill(partial)
	if err == nil {
		used(dir + lockSuffix)
		err = c.failed(os.Rename(partial, dir))
	}
	if err != nil {
		return errors.Join(err, c.failed(removeAll(partial)))
	}
	return nil
}

// keySize returns the size of a tree in bytes, which its key contains.
func keySize(key string) int64 {
	n, _ := strconv.ParseInt(key[strings.LastIndexByte(key, '-')+1:], 10, 64)
	return n
}

// evict makes room by removing trees that are not in use.
func (c *cache) evict(room int64, but string) {
	type kept struct {
		key  string
		used time.Time
	}
	var all []kept
	total := room
	entries, err := os.ReadDir(filepath.Join(c.folder.path(), treesName))
	for _, e := range entries {
		if !e.IsDir() || strings.HasSuffix(e.Name(), partialSuffix) || e.Name() == but {
			continue
		}
		info, err := os.Lstat(c.tree(e.Name()) + lockSuffix)
		if err != nil {
			continue
		}
		all = append(all, kept{e.Name(), info.ModTime()})
		total += keySize(e.Name())
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, k := range all {
		if total <= c.limit {
			break
		}
		removed, removeErr := c.drop(k.key)
		if removed {
			total -= keySize(k.key)
		}
		err = errors.Join(err, removeErr)
	}
	if err != nil {
		c.log.LogAttrs(context.Background(), slog.LevelWarn, "the cache could not be cleared", slog.Any("error", err))
	}
}

// drop removes a tree that is not in use. Its lock file stays, because another
// process may be about to lock it.
func (c *cache) drop(key string) (removed bool, err error) {
	dir := c.tree(key)
	lock := newLock(dir)
	if ok, err := lock.TryLock(); !ok || err != nil {
		return false, err
	}
	defer lock.Unlock()
	partial := dir + partialSuffix // so that a partly removed tree is never used
	if err := errors.Join(removeAll(partial), os.Rename(dir, partial)); err != nil {
		return false, err
	}
	return true, removeAll(partial)
}

// claim makes a folder for a registration's files. Once, it also removes the
// folders of dead processes.
func (c *cache) claim() (dir string, unlock func(), err error) {
	if err := c.folder.prepare(); err != nil {
		return "", nil, err
	}
	staging := filepath.Join(c.folder.path(), "staging")
	if err := makeShared(staging); err != nil {
		return "", nil, c.failed(err)
	}
	c.swept.Do(func() { c.sweepStaging(staging) })
	for {
		dir := filepath.Join(staging, pathname.NewID())
		lock := newLock(dir)
		if ok, err := lock.TryLock(); err != nil {
			return "", nil, c.failed(err)
		} else if !ok { // a sweeper has locked it
			continue
		}
		unlock := func() {
			lock.Unlock()
			os.Remove(dir + lockSuffix)
		}
		if err := os.Mkdir(dir, 0o777); err != nil {
			unlock()
			return "", nil, c.failed(err)
		}
		return dir, unlock, nil
	}
}

func (c *cache) sweepStaging(staging string) {
	locks, _ := filepath.Glob(filepath.Join(staging, "*"+lockSuffix))
	for _, name := range locks {
		dir := strings.TrimSuffix(name, lockSuffix)
		lock := newLock(dir)
		if ok, err := lock.TryLock(); ok && err == nil {
			if removeAll(dir) == nil {
				os.Remove(name)
			}
			lock.Unlock()
		}
	}
}

// close removes a temporary folder, unless a tree in it is still in use.
func (c *cache) close() error {
	if !c.folder.isTemporary() {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(c.folder.path(), treesName))
	for _, e := range entries {
		if e.IsDir() && !strings.HasSuffix(e.Name(), partialSuffix) {
			if removed, err := c.drop(e.Name()); !removed {
				return err
			}
		}
	}
	return errors.Join(err, removeAll(c.folder.path()))
}

func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clearing up: %w", err)
	}
	return nil
}
