package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ubunye-go/modelregistry/internal/filestat"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// copyTree copies a tree, which must not change meanwhile.
func (h *Hasher) copyTree(fsys fs.FS, to string) error {
	s, err := takeSurvey(h.ctx, fsys, maxPath)
	if err != nil {
		return err
	}
	h.meter.add(0, 0, s.size)
	for _, e := range s.entries {
		if err := h.ctx.Err(); err != nil {
			return err
		}
		if e.mode.IsDir() {
			err = fsroot.MkdirPath(filepath.Join(to, filepath.FromSlash(e.name))) // so that another user can sweep it
		} else {
			err = h.copyFrom(fsys, e.name, to)
		}
		if err != nil {
			return err
		}
	}
	later, err := takeSurvey(h.ctx, fsys, maxPath)
	if err != nil {
		return err
	}
	return s.compare(later, "copied")
}

// copyFrom copies a file of a tree.
func (h *Hasher) copyFrom(fsys fs.FS, name, to string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return Bad(err)
	}
	defer f.Close()
	return h.copyFile(f, name, to)
}

// copyFile copies an open file to a name below a folder.
func (h *Hasher) copyFile(from fs.File, name, to string) error {
	return h.copyUnchanged(from, name, func(info fs.FileInfo) (int64, error) {
		return h.copyData(from, filepath.Join(to, filepath.FromSlash(name)), info)
	})
}

// copyUnchanged calls copyIt, which copies an open file and returns the number
// of bytes. It fails if the size and times of the file show that another
// program wrote to it meanwhile.
func (h *Hasher) copyUnchanged(from fs.File, name string, copyIt func(fs.FileInfo) (int64, error)) error {
	info, err := from.Stat()
	if err != nil {
		return Bad(err)
	}
	if !info.Mode().IsRegular() { // replaced since it was listed
		return changedError(name, "copied", "it is "+fsroot.Describe(info.Mode())+" now")
	}
	before := filestat.Of(info)
	if err := sleep(h.ctx, before.Settles(time.Now())); err != nil {
		return err
	}
	n, err := copyIt(info)
	if err != nil {
		return err
	}
	if info, err = from.Stat(); err != nil {
		return Bad(err)
	}
	if what := before.Difference(filestat.Of(info)); what != "" {
		return changedError(name, "copied", what)
	}
	if n != before.Size {
		return changedError(name, "copied", fmt.Sprintf("it had %d bytes, and %d were read", before.Size, n))
	}
	return nil
}

// sleep waits for a time, or until the context ends.
func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// copyData copies the contents of a file, and returns the number of bytes. If
// the file grows, it stops a little after the size that the info says.
func (h *Hasher) copyData(from io.Reader, target string, info fs.FileInfo) (int64, error) {
	mode := info.Mode().Perm()
	if mode == 0 { // an fstest.MapFile may have no mode
		mode = 0o666
	}
	if info.Size() < concurrentFrom {
		return h.copySmall(from, target, mode)
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return 0, err
	}
	t := h.hashWhileCopied(target, info.Size())
	defer t.end()
	n, err := h.copyLarge(from, out, info.Size(), t)
	return n, errors.Join(err, out.Close())
}

// copyChunk is how much is copied between two checks of the context. The hash
// of a file lags behind its copy by as much.
const copyChunk = 8 << 20

func (h *Hasher) copyLarge(from io.Reader, out *os.File, size int64, t *trail) (total int64, err error) {
	for total <= size {
		if err := h.ctx.Err(); err != nil {
			return total, err
		}
		// From file to file the kernel copies, and may share the blocks.
		n, err := io.CopyN(out, from, copyChunk)
		total += n
		t.advance(n)
		h.meter.add(n, 0, 0)
		if n < copyChunk && (err == nil || err == io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// copySmall copies a file of less than concurrentFrom bytes, and hashes it on
// the way. It makes the copy without write bits, as a version's files are.
func (h *Hasher) copySmall(from io.Reader, target string, mode fs.FileMode) (int64, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, err
	}
	buf := smallBuffers.Get().(*[concurrentFrom]byte)
	defer smallBuffers.Put(buf)
	n, err := io.ReadFull(from, buf[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return 0, err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, readOnly(mode))
	if err != nil {
		return 0, err
	}
	_, err = out.Write(buf[:n])
	h.meter.add(int64(n), int64(n), 0)
	h.note(target, sumOf(buf[:n]))
	return int64(n), errors.Join(err, out.Close())
}
