package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
)

// Usage yields the items in a model's folder, except its lock file. It takes no
// lock, and omits items that are removed meanwhile.
func (s *Store) Usage(ctx context.Context, useCase, model string) iter.Seq2[driver.ItemUsage, error] {
	return func(yield func(driver.ItemUsage, error) bool) {
		d, err := s.disk(false)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(driver.ItemUsage{}, err)
			return
		}
		dir := path.Join(useCase, model)
		measure := func(kind driver.ItemKind, name, version string) bool {
			u := driver.ItemUsage{Item: driver.Item{Kind: kind, Path: name, Version: version}}
			err := addUsage(ctx, d, name, &u)
			if errors.Is(err, fs.ErrNotExist) {
				return true
			}
			return yield(u, err)
		}
		for _, f := range []struct {
			kind driver.ItemKind
			name string
		}{
			{driver.ItemLog, logName}, {driver.ItemLog, historyName}, {driver.ItemDocument, documentName},
			{driver.ItemTemp, documentTemp}, {driver.ItemTemp, logTemp},
		} {
			if !measure(f.kind, path.Join(dir, f.name), "") {
				return
			}
		}
		in := &inspector{s: s, disk: d, dir: dir, send: func(it driver.Item, err error) bool {
			if err != nil {
				return yield(driver.ItemUsage{Item: it}, err)
			}
			return measure(it.Kind, it.Path, it.Version)
		}}
		_ = in.versions() && in.list(stagingName, driver.ItemStaging) && in.list(orphansName, driver.ItemOrphan) && in.list(repairsName, driver.ItemKept)
	}
}

// addUsage adds the size of a file, or of the files in a folder, to an item.
func addUsage(ctx context.Context, d Disk, name string, u *driver.ItemUsage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := d.Lstat(name)
	if err != nil {
		return err
	}
	if info.ModTime().After(u.Newest) {
		u.Newest = info.ModTime()
	}
	if !info.IsDir() {
		if path.Base(name) != lockName || u.Item.Kind != driver.ItemStaging {
			u.Files++
			u.Bytes += info.Size()
		}
		return nil
	}
	entries, err := d.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := addUsage(ctx, d, path.Join(name, e.Name()), u); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
