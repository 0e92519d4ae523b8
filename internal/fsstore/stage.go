package fsstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

// A Staged is a version in the making: a folder of random name below .staging,
// with a lock that its owner holds as long as it lives, and the tree in it. Whether
// a staging is dead is thus known, and not guessed by its age.
type Staged struct {
	store *Store
	disk  Disk
	name  string // relative to the store
	lock  *flock.Flock
	made  []string // folders that were made for it, outermost first
	used  bool     // its tree became a version's, so that they stay
}

const (
	treeName = "tree"
	// sweepEvery bounds how often a model's staging is looked through for what dead
	// processes left.
	sweepEvery = time.Minute
	// claimTries bounds how often a claim starts over because somebody else
	// removed the folder it was in, empty.
	claimTries = 100
)

func random() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// isRandom tells a name that random made; others below .staging are not ours.
func isRandom(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 16 && name == strings.ToLower(name)
}

// Stage begins a tree.
func (s *Store) Stage(_ context.Context, useCase, model string) (*Staged, error) {
	staging := path.Join(useCase, model, stagingName)
	var made []string
	for try := range claimTries {
		d, err := s.disk(true)
		if err != nil {
			s.unmake()
			return nil, err
		}
		if try == 0 {
			s.sweep(d, staging)
		}
		more, err := ensure(d, staging)
		made = append(made, more...)
		if err == nil {
			var st *Staged
			if st, err = s.claim(d, staging); st != nil {
				st.made = made
				return st, nil
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			dropEmpty(d, made)
			s.unmake()
			return nil, err
		}
	}
	return nil, &fs.PathError{Op: "stage", Path: staging, Err: fs.ErrNotExist}
}

// claim makes a staging and locks it. It returns nil if a sweeper came between.
func (s *Store) claim(d Disk, staging string) (*Staged, error) {
	st := &Staged{store: s, disk: d, name: path.Join(staging, random())}
	if err := d.Mkdir(st.name); err != nil {
		return nil, err
	}
	lock, mine, err := s.tryOwn(d, st.name)
	if !mine || err != nil {
		return nil, errors.Join(err, d.RemoveAll(st.name))
	}
	st.lock = lock
	if err := d.Mkdir(st.tree()); err != nil {
		return nil, errors.Join(err, st.Discard())
	}
	return st, nil
}

// tryOwn locks a staging, which makes sure that nobody else owns it.
func (s *Store) tryOwn(d Disk, name string) (lock *flock.Flock, mine bool, err error) {
	file := path.Join(name, lockName)
	lock = newFlock(s.path(file))
	if ok, err := lock.TryLock(); !ok || err != nil {
		return nil, false, err
	}
	at, err := d.Lstat(file)
	held, heldErr := lock.Stat()
	if err != nil || heldErr != nil || !os.SameFile(at, held) {
		lock.Unlock()
		return nil, false, nil
	}
	return lock, true, nil
}

// sweep removes the stagings of dead processes. What it can't do is left to the
// next sweep.
func (s *Store) sweep(d Disk, staging string) {
	s.mu.Lock()
	due := time.Since(s.swept[staging]) >= sweepEvery
	if due {
		s.swept[staging] = time.Now()
	}
	s.mu.Unlock()
	if !due {
		return
	}
	entries, err := d.ReadDir(staging)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := path.Join(staging, e.Name())
		if !isStaging(d, e, name) {
			continue
		}
		if lock, mine, _ := s.tryOwn(d, name); mine {
			_ = remove(d, name, lock)
		}
	}
}

// isStaging tells a staging from what else may lie there: a bucket's copy has uploads in
// folders of such names, which may be all that there is of a version's files.
func isStaging(d Disk, e fs.DirEntry, name string) bool {
	if !e.IsDir() || !isRandom(e.Name()) {
		return false
	}
	entries, err := d.ReadDir(name)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) // it is gone, or going
	}
	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != treeName && e.Name() != lockName })
}

// remove takes a staging away, its lock file last, so that until then nobody
// takes it for one without an owner.
func remove(d Disk, name string, lock *flock.Flock) error {
	if err := d.RemoveAll(path.Join(name, treeName)); err != nil {
		return errors.Join(err, lock.Unlock())
	}
	return removeEmpty(d, name, lock)
}

// removeEmpty is remove of a staging without a tree.
func removeEmpty(d Disk, name string, lock *flock.Flock) error {
	err := errors.Join(d.Remove(path.Join(name, lockName)), lock.Unlock())
	if removeErr := d.Remove(name); err == nil && !errors.Is(removeErr, fs.ErrNotExist) {
		err = removeErr
	}
	return err
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (st *Staged) tree() string { return path.Join(st.name, treeName) }

// Dir returns the folder of the tree.
func (st *Staged) Dir() string { return st.store.path(st.tree()) }

// Seal syncs every file, then every folder. Several at once, for a file system that keeps a
// journal makes what it is asked for at one time safe in one go; those of many stagings all in one.
func (st *Staged) Seal(ctx context.Context) error {
	return st.store.group.sync(ctx, st.disk, func() error {
		var files, dirs []string
		if err := st.list(ctx, st.tree(), &files, &dirs); err != nil {
			return err
		}
		if err := syncAll(ctx, st.disk, files); err != nil {
			return err
		}
		return syncAll(ctx, st.disk, dirs)
	})
}

// list lists the files and the folders of a folder, itself among them.
func (st *Staged) list(ctx context.Context, dir string, files, dirs *[]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := st.disk.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			*files = append(*files, name)
		} else if err := st.list(ctx, name, files, dirs); err != nil {
			return err
		}
	}
	*dirs = append(*dirs, dir)
	return nil
}

// syncsAtOnce bounds how many syncs wait for the disk at one time.
const syncsAtOnce = 8

func syncAll(ctx context.Context, d Disk, names []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	work := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(names) {
				return
			}
			if err := d.Sync(names[i]); err != nil {
				cancel(err)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(len(names), syncsAtOnce) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return context.Cause(ctx)
}

// Discard removes what is left of the staging, and if nothing came of it, the folders
// that were made for it, unless something else came into them.
func (st *Staged) Discard() error {
	if st.lock == nil {
		return nil
	}
	lock := st.lock
	st.lock = nil
	if st.used {
		return removeEmpty(st.disk, st.name, lock)
	}
	err := remove(st.disk, st.name, lock)
	dropEmpty(st.disk, st.made)
	st.store.unmake()
	return err
}

// dropEmpty removes folders that hold nothing; it is no matter if one stays.
func dropEmpty(d Disk, made []string) {
	for _, name := range slices.Backward(made) {
		if d.Remove(name) != nil {
			return
		}
	}
}
