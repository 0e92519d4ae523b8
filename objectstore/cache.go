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

	"github.com/gofrs/flock"
)

// A cache keeps trees in a folder that processes share:
//
//	trees/{key}/          a whole tree; the key ends in its size
//	trees/{key}.lock      held while the tree is used; its time is that of the last use
//	trees/{key}.partial/  a tree that is being downloaded, under an exclusive lock
//	staging/{id}, {id}.lock   a registration's files, while its process lives
type cache struct {
	dir   string
	limit int64
	log   *slog.Logger

	swept sync.Once
}

const (
	lockSuffix    = ".lock"
	partialSuffix = ".partial"
	// pollEvery is how often a lock that another process holds is tried. A
	// process holds it for as long as a download takes.
	pollEvery = 10 * time.Millisecond
)

func (c *cache) tree(key string) string { return filepath.Join(c.dir, "trees", key) }

// get returns a tree from the cache, locked against its removal.
func (c *cache) get(ctx context.Context, key string) (dir string, release func(), ok bool, err error) {
	dir = c.tree(key)
	if _, err := os.Lstat(dir); err != nil {
		return "", nil, false, nil
	}
	lock := flock.New(dir + lockSuffix)
	if _, err := lock.TryRLockContext(ctx, pollEvery); err != nil {
		return "", nil, false, err
	}
	if _, err := os.Lstat(dir); err != nil { // another process removed it meanwhile
		return "", nil, false, lock.Unlock()
	}
	now := time.Now()
	_ = os.Chtimes(dir+lockSuffix, now, now) // if this fails, the tree is evicted a little early
	return dir, sync.OnceFunc(func() { lock.Unlock() }), true, nil
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
	dir := c.tree(key)
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	lock := flock.New(dir + lockSuffix)
	if _, err := lock.TryLockContext(ctx, pollEvery); err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := os.Lstat(dir); err == nil {
		return nil
	}
	c.evict(keySize(key), key)
	partial := dir + partialSuffix
	if err := errors.Join(removeAll(partial), os.Mkdir(partial, 0o777)); err != nil {
		return err
	}
	err := fill(partial)
	if err == nil {
		now := time.Now()
		_ = os.Chtimes(dir+lockSuffix, now, now)
		err = os.Rename(partial, dir)
	}
	if err != nil {
		return errors.Join(err, removeAll(partial))
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
	entries, err := os.ReadDir(filepath.Join(c.dir, "trees"))
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
	lock := flock.New(dir + lockSuffix)
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
	staging := filepath.Join(c.dir, "staging")
	if err := os.MkdirAll(staging, 0o777); err != nil {
		return "", nil, err
	}
	c.swept.Do(func() { c.sweepStaging(staging) })
	for {
		dir := filepath.Join(staging, random())
		lock := flock.New(dir + lockSuffix)
		if ok, err := lock.TryLock(); err != nil {
			return "", nil, err
		} else if !ok { // a sweeper has locked it
			continue
		}
		unlock := func() {
			lock.Unlock()
			os.Remove(dir + lockSuffix)
		}
		if err := os.Mkdir(dir, 0o777); err != nil {
			unlock()
			return "", nil, err
		}
		return dir, unlock, nil
	}
}

func (c *cache) sweepStaging(staging string) {
	locks, _ := filepath.Glob(filepath.Join(staging, "*"+lockSuffix))
	for _, name := range locks {
		lock := flock.New(name)
		if ok, err := lock.TryLock(); ok && err == nil {
			if removeAll(strings.TrimSuffix(name, lockSuffix)) == nil {
				os.Remove(name)
			}
			lock.Unlock()
		}
	}
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
