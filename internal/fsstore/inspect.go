package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"time"

	"github.com/gofrs/flock"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// Inspect yields the items in a model's folder other than its log and document.
// Unless the caller holds the lock, a change under way can look like the
// remains of one that failed.
func (s *Store) Inspect(ctx context.Context, useCase, model string) iter.Seq2[driver.Item, error] {
	return func(yield func(driver.Item, error) bool) {
		d, err := s.disk(false)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(driver.Item{}, err)
			return
		}
		in := &inspector{s, d, newPlace(useCase, model), path.Join(useCase, model), func(it driver.Item, err error) bool {
			if ctxErr := ctx.Err(); ctxErr != nil {
				yield(driver.Item{}, ctxErr)
				return false
			}
			return yield(it, err)
		}}
		_ = in.versions() && in.stagings() && in.list(orphansName, driver.ItemOrphan) && in.list(repairsName, driver.ItemKept) && in.files() && in.unshared() && in.machines()
	}
}

// An inspector's methods report whether to go on.
type inspector struct {
	s    *Store
	disk Disk
	at   *place
	dir  string
	send func(driver.Item, error) bool
}

// each calls fn for each entry of a folder of the model. The folder may be
// missing.
func (in *inspector) each(folder string, fn func(e fs.DirEntry, name string) bool) bool {
	folder = path.Join(in.dir, folder)
	entries, err := in.disk.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return in.send(driver.Item{Path: folder}, err)
	}
	for _, e := range entries {
		if !fn(e, path.Join(folder, e.Name())) {
			return false
		}
	}
	return true
}

func (in *inspector) list(folder string, kind driver.ItemKind) bool {
	return in.each(folder, func(_ fs.DirEntry, name string) bool { return in.send(driver.Item{Kind: kind, Path: name}, nil) })
}

func (in *inspector) versions() bool {
	return in.each(versionsName, func(e fs.DirEntry, name string) bool {
		it := driver.Item{Kind: driver.ItemStrange, Path: name}
		if e.IsDir() && pathname.CheckFound(e.Name()) == nil {
			it.Kind, it.Version = driver.ItemBare, e.Name()
			sealed, err := isSealed(in.disk, name)
			if err != nil {
				return in.send(it, err)
			}
			if sealed {
				it.Kind = driver.ItemTree
			}
		}
		return in.send(it, nil)
	})
}

// stagings yields the staging folders without a living owner. It changes
// nothing, so that a read-only store can be inspected.
func (in *inspector) stagings() bool {
	var free []string
	ok := in.each(stagingName, func(e fs.DirEntry, name string) bool {
		if is, _ := isStaging(in.disk, e, name); !is {
			return in.send(driver.Item{Kind: driver.ItemStrange, Path: name}, nil)
		}
		if !in.owned(name) {
			free = append(free, name)
		}
		return true
	})
	if !ok || len(free) == 0 {
		return ok
	}
	time.Sleep(claimTakes)
	for _, name := range free {
		if in.owned(name) {
			continue
		}
		if _, err := in.disk.Lstat(name); err == nil && !in.send(driver.Item{Kind: driver.ItemStaging, Path: name}, nil) {
			return false
		}
	}
	return true
}

// claimTakes is far longer than it takes to lock a staging folder that was just
// made, or to remove one whose lock was released. A folder without an owner
// before and after this time belongs to a dead process.
const claimTakes = 50 * time.Millisecond

// owned reports whether a process holds a staging's lock. If anything but a
// file is in the place of the lock, it reports true: opening a pipe would wait
// for a writer.
func (in *inspector) owned(name string) bool {
	lock := path.Join(name, lockName)
	if info, err := in.disk.Lstat(lock); err != nil || !info.Mode().IsRegular() {
		return !errors.Is(err, fs.ErrNotExist)
	}
	probe := flock.New(in.s.path(lock), flock.SetFlag(noFollow))
	ok, err := probe.TryLock()
	if ok {
		probe.Unlock()
	}
	return !ok && !errors.Is(err, fs.ErrNotExist)
}

func (in *inspector) files() bool {
	for _, temp := range []string{documentTemp, logTemp} {
		name := path.Join(in.dir, temp)
		if _, err := in.disk.Lstat(name); !errors.Is(err, fs.ErrNotExist) && !in.send(driver.Item{Kind: driver.ItemTemp, Path: name}, err) {
			return false
		}
	}
	name := path.Join(in.dir, logName)
	info, err := in.disk.Lstat(name)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || in.send(driver.Item{Path: name}, err)
	}
	files, err := changeFiles(in.disk, in.dir)
	if folder := path.Join(in.dir, historyName); (err != nil || len(files) > 0) && !in.send(driver.Item{Kind: driver.ItemStrange, Path: folder}, err) {
		return false // a model with a log does not read them
	}
	v, err := newView(in.disk, in.at)
	if err != nil {
		return in.send(driver.Item{Path: name}, err)
	}
	switch _, end, err := v.Log(0); {
	case errors.Is(err, fs.ErrInvalid): // not a log: reading it returns the error
	case err != nil:
		return in.send(driver.Item{Path: name}, err)
	case end == 0 && !in.send(driver.Item{Kind: driver.ItemBegun, Path: name}, nil):
		return false
	case info.Size() > end:
		return in.send(driver.Item{Kind: driver.ItemTorn, Path: name}, nil)
	}
	return true
}

// Places yields use case and model of every folder that a model could be in,
// even if it holds only remains. They are sorted.
func (s *Store) Places(ctx context.Context) iter.Seq2[driver.Name, error] {
	return s.models(ctx, func(d Disk, dir string) (bool, error) {
		return isPlace(d, dir, versionsName, stagingName, orphansName, documentName, logName)
	})
}
