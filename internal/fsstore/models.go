package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// Models yields the names of the models, sorted.
func (s *Store) Models(ctx context.Context) iter.Seq2[driver.Name, error] {
	return s.models(ctx, isModel)
}

func (s *Store) models(ctx context.Context, is func(d Disk, dir string) (bool, error)) iter.Seq2[driver.Name, error] {
	return func(yield func(driver.Name, error) bool) {
		d, err := s.disk(false)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		var useCases []string
		if err == nil {
			useCases, err = folders(d, ".")
		}
		if err != nil {
			yield(driver.Name{}, err)
			return
		}
		for _, useCase := range useCases {
			models, err := folders(d, useCase)
			if errors.Is(err, fs.ErrPermission) && pathname.FolderOfSystem(useCase) {
				continue // the store is the root of a volume
			}
			if err != nil && !yield(driver.Name{UseCase: useCase}, err) {
				return
			}
			for _, model := range models {
				if err := ctx.Err(); err != nil {
					yield(driver.Name{}, err)
					return
				}
				there, err := is(d, useCase+"/"+model)
				if (there || err != nil) && !yield(driver.Name{UseCase: useCase, Model: model}, err) {
					return
				}
			}
		}
	}
}

// folders lists the folders whose names can be those of a use case or a model.
func folders(d Disk, dir string) ([]string, error) {
	entries, err := d.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && pathname.Check(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// holds reports whether a folder has something of one of the names in it.
func holds(d Disk, dir string, names ...string) (bool, error) {
	var failed error
	for _, name := range names {
		_, err := d.Lstat(path.Join(dir, name))
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	return false, failed
}

// isModel reports whether a folder has a document, or a log with a line in it.
// A log without a line is the remains of a first change that did not happen.
func isModel(d Disk, dir string) (bool, error) {
	if there, err := isPlace(d, dir, documentName); there || err != nil {
		return there, err
	}
	name := path.Join(dir, logName)
	switch log, err := d.Stamp(name); {
	case err != nil || !log.Exists || log.Size == 0:
		return false, err
	case log.Dir:
		return true, nil // reading it returns the error
	}
	data, _, err := d.ReadFrom(name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err != nil || logformat.Whole(data) > 0, nil
}

// isPlace reports whether a folder has something of one of the names in it, or
// the changes of a bucket's copy.
func isPlace(d Disk, dir string, names ...string) (bool, error) {
	if there, err := holds(d, dir, names...); there || err != nil {
		return there, err
	}
	files, err := changeFiles(d, dir)
	return len(files) > 0, err
}
