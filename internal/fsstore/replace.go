package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"path"
)

// A Replacement is what Replace puts in place. Nil leaves what is there.
type Replacement struct {
	Log      []byte   // the whole log
	Document []byte   // the whole document
	Aside    []string // versions whose trees are put aside
	Remove   []Item   // stagings of dead processes and files that never took their place
}

// Replace mends a model by force: under its lock, it puts a log and a document in
// place of those there, the log first, so that what stands at any instant can be
// read. The old files are kept; their paths are returned.
func (s *Store) Replace(ctx context.Context, useCase, model string, decide func(*View) (*Replacement, error)) (kept []string, err error) {
	d, err := s.disk(false)
	if err != nil {
		return nil, err
	}
	dir := path.Join(useCase, model)
	if _, err := d.Lstat(dir); err != nil {
		return nil, err
	}
	held, err := s.lock(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer held.release()
	v, err := newView(d, dir)
	if err != nil {
		return nil, err
	}
	r, err := decide(v)
	if err != nil || r == nil {
		return nil, err
	}
	if kept, err = s.replaceFiles(d, dir, r); err != nil {
		return kept, err
	}
	if r.Log != nil && v.rev.slots.Exists {
		if by := v.putByCopied(); by != "" {
			kept = append(kept, by)
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
	return kept, s.removeItems(d, r.Remove)
}

func (s *Store) replaceFiles(d Disk, dir string, r *Replacement) (kept []string, err error) {
	keep := path.Join(dir, repairsName, replacedAt())
	for _, f := range []struct {
		name, temp string
		data       []byte
	}{{logName, logTemp, r.Log}, {documentName, documentTemp, r.Document}} {
		if f.data == nil {
			continue
		}
		switch old, err := d.ReadFrom(path.Join(dir, f.name), 0); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return kept, err
		default:
			if _, err := ensure(d, keep); err != nil {
				return kept, err
			}
			copied := path.Join(keep, f.name)
			if err := writeFile(d, copied, old); err != nil {
				return kept, errors.Join(err, discard(d, copied))
			}
			kept = append(kept, copied)
			if err := d.Sync(keep); err != nil {
				return kept, err
			}
		}
		if err := replaceFile(d, path.Join(dir, f.temp), path.Join(dir, f.name), f.data); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

func (s *Store) removeItems(d Disk, items []Item) error {
	for _, it := range items {
		switch it.Kind {
		case Staging:
			lock, mine, err := s.tryOwn(d, it.Path)
			if err == nil && mine {
				err = remove(d, it.Path, lock)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		case Temp:
			if err := discard(d, it.Path); err != nil {
				return err
			}
		case Torn:
			if err := cutTorn(d, path.Dir(it.Path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutTorn removes what a torn append left, as the next append would.
func cutTorn(d Disk, dir string) error {
	v, err := newView(d, dir)
	if err != nil {
		return err
	}
	_, end, err := v.Log(0)
	if err = errors.Join(err, v.readToEnd()); err != nil {
		return err
	}
	f, err := d.Open(path.Join(dir, logName))
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(end), f.Sync(), f.Close())
}
