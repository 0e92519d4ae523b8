package artifact

import (
	"context"
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

// lock gives a file the mode of a version's file, and then takes its stat
// again.
func (h *Hasher) lock(root *os.Root, e *surveyed, mode fs.FileMode) error {
	if mode == e.mode.Perm() {
		return nil
	}
	if err := root.Chmod(e.name, mode); err != nil {
		return err
	}
	h.locked = append(h.locked, formerMode{e.name, e.mode.Perm()})
	info, err := root.Lstat(e.name)
	if err != nil {
		return Bad(err)
	}
	e.Stat = filestat.Of(info)
	return nil
}

// Seal calls seal, which makes the staging folder durable. It then checks that
// the folder is as it was when its files began to be hashed. The check is for
// files that were saved in the folder or moved into it: a program that has one
// of them open can still write to it.
func (h *Hasher) Seal(seal func(context.Context) error) error {
	err := seal(h.ctx)
	now, listErr := surveyFolder(h.ctx, h.dir, maxStagedPath)
	switch {
	case listErr == nil:
		return errors.Join(err, h.sealed.compare(now, "registered"))
	case err == nil:
		return listErr
	}
	return err
}

// GiveBack moves an artifact back to its old place, with its old modes. If
// something else is in that place by now, it moves the artifact to a name
// beside it. It does nothing for an artifact that was not moved, or that may
// have become a version.
func (h *Hasher) GiveBack() error {
	if h.moved == "" {
		return nil
	}
	for _, f := range h.locked {
		_ = os.Chmod(filepath.Join(h.dir, filepath.FromSlash(f.name)), f.mode)
	}
	model := filepath.Join(h.dir, ModelDir)
	err := os.Rename(model, h.moved)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	beside, mkdirErr := os.MkdirTemp(filepath.Dir(h.moved), filepath.Base(h.moved)+"-")
	if mkdirErr == nil && os.Remove(beside) == nil && os.Rename(model, beside) == nil {
		return fmt.Errorf("the artifact was moved to %s: %w", beside, err)
	}
	return fmt.Errorf("the artifact could not be moved back: %w", errors.Join(err, mkdirErr))
}
