package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/filestat"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A formerMode is a file of the staging folder and the mode that it had.
type formerMode struct {
	name string
	mode fs.FileMode
}

// lock takes a file's write bits, and lets those read it who may read the
// folder. Then it takes the file's stat again, which shows that.
func (h *Hasher) lock(root *os.Root, e *surveyed, folder fs.FileMode) error {
	mode := readOnly(fsroot.Shared(e.mode, folder))
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

// Seal calls seal, which makes the staging folder durable, and checks that the
// folder is then as it was when its files began to be hashed. A folder that was
// saved into, or moved, can still be written to by a program that has a file of
// it open.
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

// GiveBack moves an artifact back to where it was moved from, as it was, or
// beside that if something else is there by now. It does nothing for an
// artifact that was not moved, or that may have become a version.
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
