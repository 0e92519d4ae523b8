package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// Clean returns the staging folders that no process holds, and the trees that
// were put aside at least olderThan ago. With remove, it removes them under the
// model's lock.
func (s *Store) Clean(ctx context.Context, useCase, model string, olderThan time.Duration, remove bool) (list []driver.Remains, err error) {
	d, err := s.disk(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dir := path.Join(useCase, model)
	in := &inspector{s: s, disk: d, at: newPlace(useCase, model), dir: dir, send: func(it driver.Item, itErr error) bool {
		if err = errors.Join(itErr, ctx.Err()); err != nil {
			return false
		}
		if it.Kind != driver.ItemStaging && it.Kind != driver.ItemOrphan {
			return true
		}
		var found driver.Remains
		if found, err = remains(ctx, d, it); errors.Is(err, fs.ErrNotExist) {
			err = nil
			return true
		}
		if err == nil && (it.Kind == driver.ItemStaging || olderThan <= 0 || time.Since(found.Newest) >= olderThan) {
			list = append(list, found)
		}
		return err == nil
	}}
	_ = in.stagings() && in.orphans()
	if err != nil || !remove || len(list) == 0 {
		return list, err
	}
	_, release, err := s.lockExisting(ctx, useCase, model)
	if err != nil {
		return list, err
	}
	defer release()
	for i := range list {
		if err := s.removeRemains(d, list[i].Item); err != nil {
			return list, err
		}
		if _, err := d.Lstat(list[i].Item.Path); errors.Is(err, fs.ErrNotExist) {
			list[i].Removed = true
		}
	}
	return list, nil
}

// remains measures an item. A tree that was put aside is at least as new as the
// time in its name.
func remains(ctx context.Context, d Disk, it driver.Item) (r driver.Remains, err error) {
	r.Item = it
	if err := addUsage(ctx, d, it.Path, &r.ItemUsage); err != nil {
		return r, err
	}
	if at, _ := pathname.Aside(path.Base(it.Path)); at.After(r.Newest) {
		r.Newest = at
	}
	return r, nil
}

// orphans yields the trees that were put aside, and nothing else that is beside
// them.
func (in *inspector) orphans() bool {
	return in.each(orphansName, func(e fs.DirEntry, name string) bool {
		if _, ours := pathname.Aside(e.Name()); !ours || !e.IsDir() {
			return true
		}
		return in.send(driver.Item{Kind: driver.ItemOrphan, Path: name}, nil)
	})
}

// asideName returns a name for a version's tree below .orphans.
func asideName(version string) string { return version + "-" + replacedAt() }

func (s *Store) removeRemains(d Disk, it driver.Item) (err error) {
	if it.Kind == driver.ItemStaging {
		err = s.removeStaging(d, it.Path)
	} else {
		err = d.RemoveAll(it.Path)
	}
	if err == nil {
		err = d.Sync(path.Dir(it.Path))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
