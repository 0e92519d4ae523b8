package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
)

// RemoveTrees removes trees under the model's lock. Each is first renamed into
// a staging folder, so that no reader sees a part of it. If the process dies
// after that, the next sweep removes the rest. If one tree can't be removed,
// because a program on Windows has a file in it open, say, it removes the
// others all the same.
func (s *Store) RemoveTrees(ctx context.Context, useCase, model string, decide func(driver.View) ([]string, error)) (removed []string, err error) {
	v, release, err := s.lockExisting(ctx, useCase, model)
	if err != nil {
		return nil, err
	}
	defer release()
	versions, err := decide(v)
	if err != nil {
		return nil, err
	}
	d, dir := v.disk, v.rev.dir
	removed, err = s.removeEach(d, dir, versions)
	if len(removed) == 0 {
		return nil, err
	}
	// Without this sync a crash could bring the files back in .staging/. The
	// folder may be gone: another process removes it when it is empty.
	if syncErr := d.Sync(path.Join(dir, stagingName)); !errors.Is(syncErr, fs.ErrNotExist) {
		err = errors.Join(err, syncErr)
	}
	return removed, err
}

// removeEach removes trees one after the other. It returns those that it
// removed.
func (s *Store) removeEach(d Disk, dir string, versions []string) (removed []string, err error) {
	var errs []error
	for _, version := range versions {
		if err := driver.CheckVersion(version); err != nil {
			return removed, err
		}
		switch err := s.removeTree(d, dir, version); {
		case err == nil:
			removed = append(removed, version)
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

func (s *Store) removeTree(d Disk, dir, version string) error {
	versions, staging := path.Join(dir, versionsName), path.Join(dir, stagingName)
	if _, err := d.Lstat(path.Join(versions, version)); err != nil {
		return err
	}
	c, err := s.claimIn(d, staging)
	if err != nil {
		return err
	}
	if err := d.Remove(c.tree()); err != nil { // the tree takes its place
		return errors.Join(err, c.remove())
	}
	if err := d.Rename(path.Join(versions, version), c.tree()); err != nil {
		return errors.Join(explainCrossDevice(err, versions), c.removeEmpty())
	}
	// A crash must not bring the tree back without some of its files. One sync
	// would do on a file system that renames atomically, and there the second
	// has nothing to write.
	if err := errors.Join(d.Sync(versions), d.Sync(c.name)); err != nil {
		return errors.Join(err, c.lock.Unlock())
	}
	if err := c.remove(); err != nil {
		s.noteLeftover(staging, nil)
		return err
	}
	return nil
}

// claimIn makes the folder of stagings if it is missing, and a claim in it.
// Another process may remove the folder meanwhile, when it is empty.
func (s *Store) claimIn(d Disk, staging string) (claim, error) {
	for range claimTries {
		if _, err := ensure(d, staging); err != nil {
			return claim{}, err
		}
		c, ok, err := s.claim(d, staging, nil)
		if ok || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return claim{}, fmt.Errorf("%s: another process removed each new folder inside", staging)
}
