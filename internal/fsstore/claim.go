package fsstore

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A claim is a folder of random name below .staging, with a lock that its owner
// holds as long as the owner lives. So a store knows whether the owner is dead,
// and need not guess by the age of the folder.
type claim struct {
	disk Disk
	name string // relative to the store
	lock *flock.Flock
}

func (c claim) tree() string { return path.Join(c.name, treeName) }

const (
	treeName = "tree"
	// sweepEvery bounds how often a model's staging is searched for the remains
	// of dead processes.
	sweepEvery = time.Minute
	// claimTries bounds how often a claim starts over because another process
	// removed its parent folder, which was empty.
	claimTries = 100
	// ownTries and ownPause bound the attempts to lock a new staging folder
	// while Inspect has its lock, which it holds for a moment to see whether it
	// is free.
	ownTries = 10
	ownPause = time.Millisecond
	// removeTries and removePause bound the attempts to remove a folder while
	// another process has a file in it open.
	removeTries = 20
	removePause = 5 * time.Millisecond
)

// claim makes a staging folder and locks it, and makes the folder of the tree.
// It returns false if a sweep removed the staging folder meanwhile. made are
// the folders above that were made for it.
func (s *Store) claim(d Disk, staging string, made []string) (c claim, ok bool, err error) {
	failed := func(err, removeErr error) (claim, bool, error) {
		if removeErr != nil {
			s.noteLeftover(staging, made)
		}
		return claim{}, false, errors.Join(err, removeErr)
	}
	name := path.Join(staging, pathname.NewID())
	if err := d.Mkdir(name); err != nil {
		return c, false, err
	}
	for try := 0; ; try++ {
		if c, ok, err = s.tryOwn(d, name); err != nil {
			return failed(err, d.RemoveAll(name))
		}
		if ok {
			break
		}
		if try == ownTries { // the sweeper removes the folder, or is removing it now
			return c, false, nil
		}
		time.Sleep(ownPause)
	}
	if err := d.Mkdir(c.tree()); err != nil {
		return failed(err, c.remove())
	}
	return c, true, nil
}

// tryOwn locks a staging, so that no other process owns it. A sweep may make
// the lock file before the owner does. Where a file can't be opened while
// another process opens or removes it, that process is a sweep, too, and the
// staging is not the caller's.
func (s *Store) tryOwn(d Disk, name string) (c claim, mine bool, err error) {
	file := path.Join(name, lockName)
	if err := makeLock(d, file); err != nil && !isInUse(err) {
		return c, false, err
	}
	lock := newFlock(s.path(file))
	if ok, err := lock.TryLock(); !ok || err != nil {
		if isInUse(err) {
			err = nil
		}
		return c, false, err
	}
	at, err := d.Lstat(file)
	if err == nil {
		var held fs.FileInfo
		if held, err = lock.Stat(); err == nil && os.SameFile(at, held) {
			return claim{d, name, lock}, true, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	lock.Unlock()
	return c, false, err
}

// sweep removes the stagings of dead processes. A staging that it can't remove
// is left to the next sweep.
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
	s.sweepNow(d, staging)
}

// isStaging reports whether a folder is a staging folder. A bucket's copy also
// has uploads in folders of such names, and an upload may hold the only copy of
// a version's files.
func isStaging(d Disk, e fs.DirEntry, name string) (bool, error) {
	if !e.IsDir() || !pathname.IsID(e.Name()) {
		return false, nil
	}
	entries, err := d.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // it is removed, or being removed
	}
	other := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != treeName && e.Name() != lockName })
	return err == nil && !other, err
}

// remove removes a staging folder, its lock file last, so that until then no
// other process believes that it has no owner.
//
// A removed file can make its folder not empty for a while, as removeEmpty
// says. A process that this program is starting has its files open, too.
func (c claim) remove() error {
	err := c.disk.RemoveAll(c.tree())
	for try := 0; errors.Is(err, fs.ErrExist) && try < removeTries; try++ {
		time.Sleep(removePause)
		err = c.disk.RemoveAll(c.tree())
	}
	if err != nil {
		return errors.Join(err, c.lock.Unlock())
	}
	return c.removeEmpty()
}

// removeEmpty is remove for a claim without a tree. A concurrent sweep may
// create the lock file again; the sweep then removes the folder.
//
// Some file systems in user space, such as exFAT's, rename a removed file
// within its folder while another process has it open, so that the folder is
// not empty. A sweeper has a lock file open for a moment, so removeEmpty tries
// again until the sweeper has closed it.
func (c claim) removeEmpty() error {
	if closeFirst {
		return c.removeClosed()
	}
	lock := path.Join(c.name, lockName)
	err := errors.Join(c.disk.Remove(lock), c.lock.Unlock())
	for try := range removeTries {
		removeErr := c.disk.Remove(c.name)
		if err != nil || removeErr == nil || errors.Is(removeErr, fs.ErrNotExist) {
			return err
		}
		if left, err := c.disk.Stamp(lock); err == nil && left.Exists {
			return nil
		}
		if try == removeTries-1 {
			return removeErr
		}
		if try > 0 { // the first retry does not wait: the sweeper may have finished
			time.Sleep(removePause)
		}
	}
	return nil
}

// removeClosed is removeEmpty for a system that can't remove a file that is
// open. It closes the lock file before it removes it.
//
// That is safe only there. From then on, a sweep may own the staging. Elsewhere
// removeClosed could remove the lock file that the sweep has locked, and
// another sweep could own the staging at the same time. Here the removal fails
// as long as another process has the lock file open, and only its maker and
// sweeps use a folder of this random name. All of them remove it, and each
// tries again while another one has the file open.
func (c claim) removeClosed() error {
	err := c.lock.Unlock()
	if err != nil {
		return err
	}
	for try := range removeTries {
		if try > 0 {
			time.Sleep(removePause)
		}
		if err = discard(c.disk, path.Join(c.name, lockName)); err != nil {
			continue
		}
		if err = c.disk.Remove(c.name); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}
