package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

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
		var useCases []part
		if err == nil {
			useCases, err = parts(d, ".")
		}
		if err != nil {
			yield(driver.Name{}, err)
			return
		}
		for _, useCase := range useCases {
			var models []part
			err := useCase.err
			if err == nil {
				models, err = parts(d, useCase.name)
			}
			if err != nil && !useCase.ofSystem(err) && !yield(driver.Name{UseCase: useCase.name}, err) {
				return
			}
			for _, model := range models {
				if err := ctx.Err(); err != nil {
					yield(driver.Name{}, err)
					return
				}
				there, err := false, model.err
				if err == nil {
					there, err = is(d, path.Join(useCase.name, model.name))
				}
				if (there || err != nil && !model.ofSystem(err)) && !yield(driver.Name{UseCase: useCase.name, Model: model.name}, err) {
					return
				}
			}
		}
	}
}

// A part is an entry of a folder that can be a use case or a model.
type part struct {
	name string
	err  error // set for a symbolic link
}

// ofSystem reports whether an error says that the part may not be read, and it
// is a folder that systems put at the root of a volume.
func (p part) ofSystem(err error) bool {
	return errors.Is(err, fs.ErrPermission) && pathname.FolderOfSystem(p.name)
}

// errLink says that a symbolic link is in the place of a use case or a model.
var errLink = errors.New("it is a symbolic link, and the store reads models from its own folders only; put or mount the folder in its place")

// parts lists the folders and symbolic links whose names can be those of a use
// case or a model. A link to a file is none.
func parts(d Disk, dir string) ([]part, error) {
	entries, err := d.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []part
	for _, e := range entries {
		link := e.Type()&fs.ModeSymlink != 0
		if !link && !e.IsDir() || pathname.Check(e.Name()) != nil {
			continue
		}
		p := part{name: e.Name()}
		if link {
			name := path.Join(dir, e.Name())
			if to, err := os.Stat(filepath.Join(d.Dir(), filepath.FromSlash(name))); err == nil && !to.IsDir() {
				continue
			}
			p.err = &fs.PathError{Op: "open", Path: name, Err: errLink}
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// folders lists the folders whose names can be those of a use case or a model.
func folders(d Disk, dir string) (names []string, err error) {
	list, err := parts(d, dir)
	for _, p := range list {
		if p.err == nil {
			names = append(names, p.name)
		}
	}
	return names, err
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
