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
// after that, the next sweep removes the rest.
func (s *Store) RemoveTrees(ctx context.Context, useCase, model string, decide func(driver.View) ([]string, error)) (removed []string, err error) {
	d, err := s.disk(false)
	if err != nil {
		return nil, err
	}
	at := s.place(useCase, model)
	if _, err := d.Lstat(at.dir); err != nil {
		return nil, err
	}
	if err := s.checkSpelling(d, at); err != nil {
		return nil, err
	}
	held, err := s.lock(ctx, d, at.dir)
	if err != nil {
		return nil, err
	}
	defer held.release()
	v, err := newView(d, at)
	if err != nil {
		return nil, err
	}
	v.boot = s.boot()
	versions, err := decide(v)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		if err := driver.CheckVersion(version); err != nil {
			return removed, err
		}
		switch err := s.removeTree(d, at.dir, version); {
		case err == nil:
			removed = append(removed, version)
		case !errors.Is(err, fs.ErrNotExist):
			return removed, err
		}
	}
	return removed, nil
}

func (s *Store) removeTree(d Disk, dir, version string) error {
	versions, staging := path.Join(dir, versionsName), path.Join(dir, stagingName)
	if _, err := d.Lstat(path.Join(versions, version)); err != nil {
		return err
	}
	if _, err := ensure(d, staging); err != nil {
		return err
	}
	c, ok, err := s.claim(d, staging, nil)
	if err == nil && !ok {
		err = fmt.Errorf("%s: another process removed the new folder inside", staging)
	}
	if err != nil {
		return err
	}
	if err := d.Remove(c.tree()); err != nil { // the tree takes its place
		return errors.Join(err, c.remove())
	}
	if err := d.Rename(path.Join(versions, version), c.tree()); err != nil {
		return errors.Join(explainCrossDevice(err, versions), c.removeEmpty())
	}
	if err := d.Sync(versions); err != nil {
		return errors.Join(err, c.lock.Unlock())
	}
	if err := c.remove(); err != nil {
		s.noteLeftover(staging, nil)
		return err
	}
	return nil
}
