package fsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// Append calls decide under the model's lock and makes its commit happen. If
// another program removes the lock file meanwhile, it starts over.
func (s *Store) Append(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Commit, error)) (driver.AppendResult, error) {
	at := s.place(useCase, model)
	for {
		d, held, err := s.lockMade(ctx, at)
		if err != nil {
			return driver.AppendResult{}, err
		}
		done, again, err := s.appendHeld(d, at, held, decide)
		if err == nil && !again {
			s.removeLeftovers(d, false)
		}
		if !again {
			return done, err
		}
	}
}

// appendHeld is Append under the lock, which it releases. It returns again if
// the lock is void, and the caller must start over.
func (s *Store) appendHeld(d Disk, at *place, held hold, decide func(driver.View) (*driver.Commit, error)) (done driver.AppendResult, again bool, err error) {
	defer held.release()
	v, err := newView(d, at)
	if err != nil {
		return done, false, err
	}
	v.known, v.boot = s.lastStamp(at), s.boot()
	c, err := decide(v)
	if err != nil {
		return done, false, err
	}
	if c == nil {
		return done, false, syncLog(d, v)
	}
	for _, t := range c.Trees {
		if err := t.Validate(); err != nil {
			return done, false, err
		}
	}
	if !v.read {
		if _, _, err := v.Log(0); err != nil {
			return done, false, corruptChange(err)
		}
	}
	if err := v.readToEnd(); err != nil {
		return done, false, err
	}
	if !held.valid() {
		return done, true, nil
	}
	done, err = s.commit(d, v, c)
	return done, false, err
}

// syncLog makes durable the part of the log that a view showed. A writer that
// was killed, or that could not take its append back, may have left lines that
// it did not sync.
func syncLog(d Disk, v *View) error {
	if !v.rev.log.Exists {
		return nil
	}
	return d.Sync(v.rev.logFile)
}

func (s *Store) commit(d Disk, v *View, c *driver.Commit) (done driver.AppendResult, err error) {
	dir := v.rev.dir
	done.End = v.end
	if v.isFirst() {
		if err := checkFirst(d, v.rev.place); err != nil {
			return done, err
		}
	}
	appends := len(c.Lines) > 0 || len(c.Trees) > 0
	if appends {
		if err := v.takeOver(); err != nil {
			return done, corruptChange(err)
		}
	}
	if err := s.syncFolders(d, v.rev.place); err != nil {
		return done, err
	}
	var placed []driver.StagedTree
	if appends && v.end == 0 {
		err = begin(d, v)
	}
	if err == nil {
		placed, err = placeTrees(d, dir, c.Trees)
	}
	if err == nil && len(c.Lines) > 0 {
		done.End, err = appendLines(d, v, c.Lines)
	}
	if err != nil {
		if !errors.Is(err, driver.ErrUncertain) {
			err = errors.Join(err, takeBack(d, v, placed))
		}
		return done, err
	}
	for _, t := range placed {
		stagedOf(t).used = true
	}
	rev, known := v.appended(c, done.End)
	if known {
		s.noteStamp(rev.place, rev.log, done.End)
	}
	if c.Checkpoint != nil {
		document, note := c.Checkpoint.Make(done.End)
		rev.document, done.DocumentErr = s.replaceDocument(v, document, note)
	}
	if known && done.DocumentErr == nil {
		done.Revision = rev
	}
	return done, nil
}

// stagedOf returns this store's part of a tree.
func stagedOf(t driver.StagedTree) *Staged {
	if st, ok := t.Staged.(*stagedFiles); ok {
		return st.Staged
	}
	return t.Staged.(*Staged)
}

// placeTrees renames the trees to where the lines will say they are. It returns
// those that it placed, also when it fails.
func placeTrees(d Disk, dir string, trees []driver.StagedTree) (placed []driver.StagedTree, err error) {
	if len(trees) == 0 {
		return nil, nil
	}
	versions := path.Join(dir, versionsName)
	if _, err := ensure(d, versions); err != nil {
		return nil, err
	}
	for _, t := range trees {
		to := path.Join(versions, t.Version)
		if err := makeWay(d, dir, to, t.Version); err != nil {
			return placed, err
		}
		if err := d.Rename(stagedOf(t).tree(), to); err != nil {
			return placed, explainCrossDevice(err, versions)
		}
		placed = append(placed, t)
	}
	return placed, d.Sync(versions)
}

// explainCrossDevice explains the error of a rename into a folder on another
// file system.
func explainCrossDevice(err error, folder string) error {
	if !errors.Is(err, errCrossDevice) {
		return err
	}
	return fmt.Errorf("%s is a mount of its own, and a version is made by a rename into it; keep a model's folder on one file system: %w", folder, err)
}

// makeWay puts aside a tree in the place of a new version: the remains of a
// registration that did not happen, which have our manifest. They are kept,
// because a store that lost its history looks the same.
func makeWay(d Disk, dir, to, version string) error {
	info, err := d.Lstat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := false
	if info.IsDir() {
		if ours, err = isSealed(d, to); err != nil {
			return err
		}
	}
	if !ours {
		return &fs.PathError{Op: "register", Path: to, Err: &driver.OccupiedError{Version: version}}
	}
	return putAside(d, dir, to, version)
}

func putAside(d Disk, dir, tree, version string) error {
	orphans := path.Join(dir, orphansName)
	if _, err := ensure(d, orphans); err != nil {
		return err
	}
	if err := d.Rename(tree, path.Join(orphans, asideName(version))); err != nil {
		return err
	}
	return d.Sync(orphans)
}

// takeBack undoes the work of a commit whose lines are not safe. If the commit
// began the log, the log is removed last, when no crash can bring the trees
// back.
func takeBack(d Disk, v *View, placed []driver.StagedTree) error {
	var errs []error
	for _, t := range placed {
		errs = append(errs, d.Rename(path.Join(v.rev.dir, versionsName, t.Version), stagedOf(t).tree()))
	}
	if err := errors.Join(errs...); err != nil || v.rev.log.Exists {
		return err
	}
	for _, t := range placed {
		if err := d.Sync(stagedOf(t).name); err != nil {
			return err
		}
	}
	return discard(d, v.rev.logFile)
}

// appendLines is the commit. When it fails, the log is cut back to its old
// length. If that fails too, it is not known whether the lines will be there.
func appendLines(d Disk, v *View, lines [][]byte) (end int64, err error) {
	name := v.rev.logFile
	f, err := d.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("%w: %w", driver.ErrUncertain, closeErr)
		}
	}()
	if v.size > v.end {
		// Cut off the remains of a torn append. The cut must be durable before
		// anything else is written there, or a crash could mix the two.
		if err := errors.Join(f.Truncate(v.end), f.Sync()); err != nil {
			return 0, err
		}
	}
	data := logformat.Join(lines)
	_, err = f.WriteAt(data, v.end)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		return v.end + int64(len(data)), nil
	}
	if cut := errors.Join(f.Truncate(v.end), f.Sync()); cut != nil {
		return 0, fmt.Errorf("%w: %w; and then %w", driver.ErrUncertain, err, cut)
	}
	return 0, err
}

// replaceFile replaces a file, durably.
func replaceFile(d Disk, temp, name string, data []byte) error {
	if err := swapFile(d, temp, name, data); err != nil {
		return err
	}
	return d.Sync(path.Dir(name))
}

// swapFile replaces a file, whole or not at all.
func swapFile(d Disk, temp, name string, data []byte) error {
	err := writeFile(d, temp, bytes.NewReader(data))
	if err == nil {
		d.ShareLike(temp, name)
		err = d.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, discard(d, temp))
	}
	return nil
}

// discard removes a file that may be missing.
func discard(d Disk, name string) error {
	if err := d.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeFile writes a whole file and syncs it. A file of that name was left by a
// dead process, perhaps one of another user, and is removed first. writeFile
// sets the file's time back, so that a write of another program within the same
// tick of the clock shows as a new stamp. No reader then has to read the file
// again to be sure. Where the time can't be set, readers do read it again.
func writeFile(d Disk, name string, data io.WriterTo) error {
	left, err := d.Stamp(name)
	if err == nil && left.Exists {
		err = d.Remove(name)
	}
	if err != nil {
		return err
	}
	f, err := d.Open(name)
	if err != nil {
		return err
	}
	_, err = data.WriteTo(&fileWriter{f: f})
	if err == nil {
		_ = f.SetTime(time.Now().Add(-freshFor))
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
