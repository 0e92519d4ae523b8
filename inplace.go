package modelregistry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/filestat"
)

// A formerMode is a file of the staging folder and the mode that it had.
type formerMode struct {
	name string
	mode fs.FileMode
}

// lock takes a file's write bits, and then its stat again, which shows that.
func (in *intake) lock(root *os.Root, e *surveyed) error {
	mode := readOnly(e.mode)
	if mode == e.mode.Perm() {
		return nil
	}
	if err := root.Chmod(e.name, mode); err != nil {
		return err
	}
	in.locked = append(in.locked, formerMode{e.name, e.mode.Perm()})
	info, err := root.Lstat(e.name)
	if err != nil {
		return badArtifact(err)
	}
	e.Stat = filestat.Of(info)
	return nil
}

// seal seals the staging folder, and sees that it is then as it was when its
// files began to be hashed. A folder that was saved into, or moved, can still be
// written to by a program that has a file of it open.
func (in *intake) seal(staged Staged) error {
	err := staged.Seal(in.ctx)
	now, listErr := surveyFolder(in.ctx, in.dir, maxStagedPath)
	switch {
	case listErr == nil:
		return errors.Join(err, in.sealed.compare(now, "registered"))
	case err == nil:
		return listErr
	}
	return err
}

// giveBack moves an artifact back to where it was moved from, as it was, or
// beside that if something else is there by now. It does nothing for an artifact
// that was not moved, or that may have become a version.
func (in *intake) giveBack() error {
	if in.moved == "" {
		return nil
	}
	for _, f := range in.locked {
		_ = os.Chmod(filepath.Join(in.dir, filepath.FromSlash(f.name)), f.mode)
	}
	model := filepath.Join(in.dir, modelDir)
	err := os.Rename(model, in.moved)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	beside, mkdirErr := os.MkdirTemp(filepath.Dir(in.moved), filepath.Base(in.moved)+"-")
	if mkdirErr == nil && os.Remove(beside) == nil && os.Rename(model, beside) == nil {
		return fmt.Errorf("the artifact was moved to %s: %w", beside, err)
	}
	return fmt.Errorf("the artifact could not be moved back: %w", errors.Join(err, mkdirErr))
}
