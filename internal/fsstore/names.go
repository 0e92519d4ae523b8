package fsstore

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
)

// A model's name is its folder's name, as the parent folder spells it. A file
// system may ignore case or the normal forms of Unicode, so that other
// spellings lead to the same folder. They are refused, for two reasons. Two
// teams could share a model without knowing it. And a lock need not exclude one
// spelling from another: exFAT through FUSE gives each an inode of its own.

// checkSpelling returns a *NameError if the model's folder, or that of its use
// case, exists and is spelled differently. It takes two stats while the parent
// folders have not changed. A listing would take longer the more models there
// are.
func (s *Store) checkSpelling(d Disk, at *place) error {
	root, err := stampOf(d, ".")
	if err != nil {
		return err
	}
	useCase, err := stampOf(d, at.useCase)
	if err != nil {
		return err
	}
	now := &[2]Stamp{root, useCase}
	s.mu.Lock()
	seen := at.spelled
	s.mu.Unlock()
	if seen != nil && !seen[0].changed(now[0]) && !seen[1].changed(now[1]) {
		return nil
	}
	if err := compareSpelling(d, at); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at.spelled = now
	return nil
}

func compareSpelling(d Disk, at *place) error {
	useCase, err := spelling(d, ".", at.useCase)
	if err != nil {
		return err
	}
	model, err := spelling(d, at.useCase, at.model)
	if err != nil {
		return err
	}
	if useCase != at.useCase || model != at.model {
		return &driver.NameError{Name: driver.Name{UseCase: at.useCase, Model: at.model}, Other: driver.Name{UseCase: useCase, Model: model}}
	}
	return nil
}

// spelling returns how a folder spells the entry that a name leads to. It
// returns the name itself if nothing is there.
func spelling(d Disk, dir, name string) (string, error) {
	if folds, err := mayFold(d, dir, name); !folds || err != nil {
		return name, err
	}
	at, err := d.Stamp(path.Join(dir, name))
	if err != nil || !at.Exists {
		return name, err
	}
	entries, err := d.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return name, nil // the entry was removed, or the folder may not be listed
	}
	if err != nil {
		return "", err
	}
	other := ""
	for _, e := range entries {
		switch {
		case e.Name() == name:
			return name, nil
		case strings.EqualFold(e.Name(), name):
			other = e.Name()
		}
	}
	for i := 0; other == "" && i < len(entries); i++ { // it may be another normal form
		e, err := d.Stamp(path.Join(dir, entries[i].Name()))
		if err == nil && e.FileID == at.FileID && e.FileID != (FileID{}) {
			other = entries[i].Name()
		}
	}
	if other == "" {
		return name, nil // the entry was removed meanwhile
	}
	return other, nil
}

// mayFold reports whether a folder may find a name by other spellings. If
// "rISK" leads nowhere, only "Risk" leads to Risk. A process that reads one
// model of many then need not list them. At 1,000 models, a listing takes
// hundreds of times as long.
func mayFold(d Disk, dir, name string) (bool, error) {
	swapped := []byte(name)
	for i, c := range swapped {
		switch {
		case c >= 0x80:
			return true, nil
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			swapped[i] ^= 'a' - 'A'
		}
	}
	if string(swapped) == name {
		return false, nil
	}
	s, err := d.Stamp(path.Join(dir, string(swapped)))
	return s.Exists, err
}

// checkAlike returns a *NameError if there is a model whose name differs from
// one in case only. Not every file system could hold both.
func checkAlike(d Disk, useCase, model string) error {
	useCases, err := alike(d, ".", useCase)
	if err != nil {
		return err
	}
	for _, u := range useCases {
		models, err := alike(d, u, model)
		if err != nil {
			return err
		}
		for _, m := range models {
			if u == useCase && m == model {
				continue
			}
			there, err := isModel(d, path.Join(u, m))
			if err != nil {
				return err
			}
			if there {
				return &driver.NameError{Name: driver.Name{UseCase: useCase, Model: model}, Other: driver.Name{UseCase: u, Model: m}}
			}
		}
	}
	return nil
}

// alike lists the folders in dir whose names equal a name except for case.
func alike(d Disk, dir, name string) (list []string, err error) {
	all, err := folders(d, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, n := range all {
		if strings.EqualFold(n, name) {
			list = append(list, n)
		}
	}
	return list, nil
}
