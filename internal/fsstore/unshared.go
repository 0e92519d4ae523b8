package fsstore

import (
	"errors"
	"io/fs"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
)

// unshared yields the files and folders of the model that lack rights which
// shared folders give to their users. Another program made them, or the
// registry did before the folder was shared. It yields only what keeps other
// users from reading or changing the model, and nothing below such a folder.
func (in *inspector) unshared() bool {
	useCase := path.Dir(in.dir)
	at := func(name string) string { return path.Join(in.dir, name) }
	given := in.givenIn(".", 0o077)
	for _, folder := range []string{useCase, in.dir} {
		if given&0o022 == 0 {
			return true // not shared
		}
		if !in.lacking(given, folder) {
			return false
		}
		given = in.givenIn(folder, given)
	}
	if !in.lacking(given, at(versionsName), at(stagingName), at(orphansName), at(repairsName)) ||
		!in.lacking(given&0o066, at(lockName), at(logName)) || !in.lacking(given&0o044, at(documentName)) {
		return false
	}
	if given = in.givenIn(at(versionsName), given) & 0o055; given == 0 {
		return true
	}
	return in.each(versionsName, func(e fs.DirEntry, name string) bool { return !e.IsDir() || in.lacking(given, name) })
}

// givenIn returns those of the rights of other users that a folder gives, too.
func (in *inspector) givenIn(folder string, given fs.FileMode) fs.FileMode {
	info, err := in.disk.Lstat(folder)
	if err != nil {
		return 0
	}
	return info.Mode() & given
}

// lacking yields those of the names that lack some of the rights.
func (in *inspector) lacking(rights fs.FileMode, names ...string) bool {
	for _, name := range names {
		info, err := in.disk.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return in.send(driver.Item{Path: name}, err)
		case info.Mode()&rights == rights:
			continue
		}
		if !in.send(driver.Item{Kind: driver.ItemClosed, Path: name}, nil) {
			return false
		}
	}
	return true
}
