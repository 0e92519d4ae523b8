package fsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// Replace puts a log and a document in place of those of a model, under the
// model's lock. The log comes first, so that the model can be read at any
// instant. The old files are kept, and their paths are returned. If there is a
// folder in the place of a file, it is kept too.
func (s *Store) Replace(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Replacement, error)) (kept []string, err error) {
	kept, err = s.replace(ctx, useCase, model, decide)
	if errors.Is(err, driver.ErrOvertaken) {
		err = fmt.Errorf("%w: %w", driver.ErrConflict, err)
	}
	return kept, err
}

func (s *Store) replace(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Replacement, error)) (kept []string, err error) {
	v, release, err := s.lockExisting(ctx, useCase, model)
	if err != nil {
		return nil, err
	}
	defer release()
	d, at, dir := v.disk, v.rev.place, v.rev.dir
	r, err := decide(v)
	if err != nil || r == nil {
		return nil, err
	}
	if kept, err = s.replaceFiles(v, r); err != nil {
		return kept, err
	}
	if r.Log != nil && v.rev.changes.Exists {
		if aside := v.putAsideChanges(); aside != "" {
			kept = append(kept, aside)
		}
	}
	for _, version := range r.Aside {
		if err := putAside(d, dir, path.Join(dir, versionsName, version), version); err != nil {
			return kept, err
		}
	}
	if len(r.Aside) > 0 {
		if err := d.Sync(path.Join(dir, versionsName)); err != nil {
			return kept, err
		}
	}
	return kept, s.removeItems(d, at, r.Remove)
}

// lockExisting locks a model whose folder exists, and returns a view of it.
func (s *Store) lockExisting(ctx context.Context, useCase, model string) (v *View, release func(), err error) {
	d, err := s.disk(false)
	if err != nil {
		return nil, nil, err
	}
	at := s.place(useCase, model)
	if _, err := d.Lstat(at.dir); err != nil {
		return nil, nil, err
	}
	if err := s.checkSpelling(d, at); err != nil {
		return nil, nil, err
	}
	if err := s.checkMount(at); err != nil {
		return nil, nil, err
	}
	held, err := s.lock(ctx, d, at.dir)
	if err != nil {
		return nil, nil, err
	}
	if v, err = newView(d, at); err != nil {
		held.release()
		return nil, nil, err
	}
	v.boot = s.boot()
	return v, held.release, nil
}

func (s *Store) replaceFiles(v *View, r *driver.Replacement) (kept []string, err error) {
	d, dir := v.disk, v.rev.dir
	keep := path.Join(dir, repairsName, replacedAt())
	keepOf := func(name string) error {
		copied, err := keepOld(d, path.Join(dir, name), keep)
		if copied != "" {
			kept = append(kept, copied)
		}
		return err
	}
	if r.Log != nil {
		if err := keepOf(logName); err != nil {
			return kept, err
		}
		if err := replaceFile(d, path.Join(dir, logTemp), path.Join(dir, logName), r.Log); err != nil {
			return kept, err
		}
	}
	if r.Document != nil {
		if err := keepOf(documentName); err != nil {
			return kept, err
		}
		if _, err := s.replaceDocument(v, bytes.NewReader(r.Document), r.Note); err != nil {
			return kept, err
		}
		return kept, d.Sync(dir)
	}
	return kept, nil
}

// keepOld copies a file into a folder, which it makes, and returns the copy's
// name, or none if there is no file. It moves anything but a regular file,
// because that can't be read in its place.
func keepOld(d Disk, name, folder string) (kept string, err error) {
	old, _, err := d.ReadFrom(name, 0)
	var size *fsroot.SizeError
	strange := errors.Is(err, fs.ErrInvalid) && !errors.As(err, &size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil && !strange:
		return "", err
	}
	if _, err := ensure(d, folder); err != nil {
		return "", err
	}
	kept = path.Join(folder, path.Base(name))
	if strange {
		err = d.Rename(name, kept)
	} else if err = writeFile(d, kept, bytes.NewReader(old)); err != nil {
		err = errors.Join(err, discard(d, kept))
	}
	if err != nil {
		return "", err
	}
	return kept, d.Sync(folder)
}

func (s *Store) removeItems(d Disk, at *place, items []driver.Item) error {
	for _, it := range items {
		switch it.Kind {
		case driver.ItemStaging:
			if err := s.removeStaging(d, it.Path); err != nil {
				return err
			}
		case driver.ItemTemp:
			if _, err := s.settleNote(d, path.Dir(it.Path)); err != nil {
				return err
			}
			if err := discard(d, it.Path); err != nil {
				return err
			}
		case driver.ItemTorn:
			if err := cutTorn(d, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeStaging removes a staging folder, unless a process holds it.
func (s *Store) removeStaging(d Disk, name string) error {
	dead, mine, err := s.tryOwn(d, name)
	if err == nil && mine {
		err = dead.remove()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// cutTorn removes the remains of a torn append, as the next append would.
func cutTorn(d Disk, at *place) error {
	v, err := newView(d, at)
	if err != nil {
		return err
	}
	_, end, err := v.Log(0)
	if err = errors.Join(err, v.readToEnd()); err != nil {
		return err
	}
	f, err := d.Open(at.logFile)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(end), f.Sync(), f.Close())
}
