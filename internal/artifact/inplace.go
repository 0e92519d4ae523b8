package artifact

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/filestat"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A formerMode is a file of the staging folder and the mode that it had.
type formerMode struct {
	name string
	mode fs.FileMode
}

// makeReadOnly gives a file the mode of a version's file, and then takes its
// stat again. Some file systems refuse that, and so does any for a file of
// another user. Then the file keeps its mode, and only its digest protects it.
func (h *Hasher) makeReadOnly(root *os.Root, e *surveyed, mode fs.FileMode) error {
	if mode == e.mode.Perm() || root.Chmod(e.name, mode) != nil {
		return nil
	}
	h.formerModes = append(h.formerModes, formerMode{e.name, e.mode.Perm()})
	return e.restat(root)
}

// restat takes a file's stat again.
func (e *surveyed) restat(root *os.Root) error {
	info, err := root.Lstat(e.name)
	if err != nil {
		return Bad(err)
	}
	e.mode, e.links, e.Stat = info.Mode(), fsroot.Links(info), filestat.Of(info)
	return nil
}

// detach replaces a file that has further names, hard links, by a copy. A
// program could change the version through such a name, and would find its own
// file without write bits.
func (h *Hasher) detach(root *os.Root, e *surveyed) error {
	from, _, err := fsroot.OpenFile(root, e.name, os.O_RDONLY, 0)
	if err != nil {
		return Bad(err)
	}
	defer from.Close()
	temp := path.Join(path.Dir(e.name), ".copy-"+rand.Text())
	err = h.copyUnchanged(from, e.name, func(info fs.FileInfo) (int64, error) {
		out, _, err := fsroot.OpenFile(root, temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm()|0o600)
		if err != nil {
			return 0, err
		}
		n, err := h.copyPlain(from, out)
		return n, errors.Join(err, out.Close())
	})
	if err == nil {
		err = root.Rename(temp, e.name)
	}
	if err != nil {
		_ = fsroot.Remove(root, temp)
		return err
	}
	return e.restat(root)
}

// copyPlain copies a file without hashing it.
func (h *Hasher) copyPlain(from io.Reader, out io.Writer) (total int64, err error) {
	for {
		if err := h.ctx.Err(); err != nil {
			return total, err
		}
		n, err := io.CopyN(out, from, copyChunk)
		total += n
		h.meter.add(n, 0, 0)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
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
	for _, f := range h.formerModes {
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
