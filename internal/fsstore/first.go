package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// The first change of a model makes an empty log, and makes its name durable,
// before it renames a tree into place. So a crash never leaves a tree without a
// log. A model with trees and no log has lost its log and document.

// lostError says that a model has neither a log nor a document, but has trees
// that a registry made.
func lostError(dir string, versions []string) error {
	const shown = 5
	more := ""
	if n := len(versions) - shown; n > 0 {
		versions, more = versions[:shown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%w, and %s holds %s%s: repair the model first",
		driver.ErrIndexLost, path.Join(dir, versionsName), strings.Join(versions, ", "), more)
}

// isFirst reports whether the model has neither a log nor a document yet. The
// log was read before.
func (v *View) isFirst() bool {
	return !v.rev.log.Exists && !v.rev.document.Exists && !v.rev.changes.Exists
}

// checkFirst returns why a model may not be made: it lost its log, its folder
// is spelled differently, or another model has nearly the same name. As long as
// the folder was empty, another process could replace it by one of another
// spelling.
func checkFirst(d Disk, at *place) error {
	if err := checkLost(d, at.dir); err != nil {
		return err
	}
	if err := compareSpelling(d, at); err != nil {
		return err
	}
	return checkAlike(d, at.useCase, at.model)
}

// checkStage refuses early a tree that no commit would accept.
func (s *Store) checkStage(at *place) error {
	d, err := s.disk(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.checkSpelling(d, at)
	}
	if err != nil {
		return err
	}
	if begun, err := isPlace(d, at.dir, documentName, logName); begun || err != nil {
		return err
	}
	lost := checkFirst(d, at)
	if lost == nil {
		return nil
	}
	// Another process may have made its first change between the two checks.
	// The log exists before any tree does.
	if begun, err := isPlace(d, at.dir, documentName, logName); begun || err != nil {
		return err
	}
	return lost
}

func checkLost(d Disk, dir string) error {
	versions := path.Join(dir, versionsName)
	entries, err := d.ReadDir(versions)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var lost []string
	for _, e := range entries {
		if !e.IsDir() || pathname.Check(e.Name()) != nil {
			continue
		}
		sealed, err := isSealed(d, path.Join(versions, e.Name()))
		if err != nil {
			return err
		}
		if sealed {
			lost = append(lost, e.Name())
		}
	}
	if lost == nil {
		return nil
	}
	return lostError(dir, lost)
}

// isSealed reports whether a version's folder has a manifest, so that a
// registry made it.
func isSealed(d Disk, tree string) (bool, error) {
	manifest, err := d.Stamp(path.Join(tree, manifestName)) // takes half as long as Lstat
	return manifest.Regular, err
}

// begin makes the log and the folder of versions, if they are missing, and
// their names durable. An empty log may be there from a process that was killed
// before it synced the name.
func begin(d Disk, v *View) error {
	if !v.rev.log.Exists {
		if err := d.Make(v.rev.logFile); err != nil {
			return err
		}
	}
	if err := d.Mkdir(path.Join(v.rev.dir, versionsName)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.Sync(v.rev.dir)
}
