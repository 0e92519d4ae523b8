package fsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A place says where a model is in the store.
type place struct {
	useCase, model             string
	dir, logFile, documentFile string
	last                       Stamp     // see Store.lastStamp
	synced                     bool      // see Store.syncFolders
	spelled                    *[2]Stamp // see Store.checkSpelling
}

func newPlace(useCase, model string) *place {
	dir := path.Join(useCase, model)
	return &place{useCase: useCase, model: model, dir: dir, logFile: path.Join(dir, logName), documentFile: path.Join(dir, documentName)}
}

// place returns the place of a model. It returns the same value each time.
func (s *Store) place(useCase, model string) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := driver.Name{UseCase: useCase, Model: model}
	p := s.places[key]
	if p == nil {
		p = newPlace(useCase, model)
		s.places[key] = p
	}
	return p
}

// A revision holds the stamps of a model's log and document when they were
// read.
type revision struct {
	*place
	log, document Stamp
	changes       Stamp // of the folder with the log's lines, if this is a bucket's copy
}

// Changed reports whether a model may have changed since a revision.
func (s *Store) Changed(ctx context.Context, useCase, model string, since driver.Revision) (bool, error) {
	v, err := s.look(useCase, model, since)
	return v != nil || err != nil, err
}

// Look returns a view of a model that may have changed since a revision, and
// nil if it has not. It does not check that the store's folder is still the one
// that is open. If a read shows that it may not be, that read fails with an
// error that matches driver.ErrStaleView.
func (s *Store) Look(_ context.Context, useCase, model string, since driver.Revision) (driver.View, error) {
	v, err := s.look(useCase, model, since)
	if v == nil {
		return nil, err // not v, which would be an interface with a nil pointer
	}
	return v, err
}

func (s *Store) look(useCase, model string, since driver.Revision) (*View, error) {
	at := s.place(useCase, model)
	rev, ok := since.(*revision)
	if !ok || rev.place != at {
		return s.view(useCase, model)
	}
	d, err := s.lastDisk()
	if err != nil {
		return s.view(useCase, model) // it returns the error, or finds that the store exists now
	}
	log, err := d.Stamp(at.logFile)
	if err != nil {
		return nil, err
	}
	document, err := d.Stamp(at.documentFile)
	if err != nil {
		return nil, err
	}
	changed := rev.log.changed(log) || rev.document.changed(document)
	if rev.changes.Exists && !changed {
		changes, err := d.Stamp(path.Join(at.dir, historyName))
		if err != nil {
			return nil, err
		}
		changed = rev.changes.changed(changes)
	}
	if !changed {
		return nil, nil
	}
	if !log.Exists || log.FileID != rev.log.FileID || log.FileID == (FileID{}) {
		// Another log may belong to a model whose name is spelled differently.
		if err := s.checkSpelling(d, at); err != nil {
			return nil, err
		}
	}
	return &View{disk: d, unsure: true, rev: revision{place: at, log: log.toRead(), document: document.toRead()}, known: s.lastStamp(at), boot: s.boot()}, nil
}

// errMoved says that a view may show another folder than the one that the
// store's path leads to.
var errMoved = fmt.Errorf("%w: the store's folder may be another one", driver.ErrStaleView)

// A View shows a model's bytes. It is a [driver.PartView], a
// [driver.NotedView], a [driver.TreeView] and a [driver.BackwardLog].
type View struct {
	disk   Disk // nil if there is no store yet
	unsure bool // the store's path may lead to another folder
	rev    revision
	known  Stamp // of the log when this store last appended to it
	end    int64 // after the last whole line, once the log was read
	size   int64 // of the log, as far as it was read
	read   bool

	boot     string // of the system
	document []byte // once it was read
}

// lastStamp returns the stamp of a log at the end of an append by this store,
// under the lock. While the stamp is the same, the log ends there: every writer
// that follows the protocol leaves appended lines alone, so that a further line
// changes the size, even within the same tick of the clock.
func (s *Store) lastStamp(at *place) Stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return at.last
}

// noteStamp keeps the stamp of a log that ends at a position, if nothing
// follows that position: a torn tail can be replaced by as many bytes.
func (s *Store) noteStamp(at *place, log Stamp, end int64) {
	if !log.Exists || log.Size != end {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at.last = log
}

// appended returns the revision that an append leaves whose lines end at a
// position. known is false if the revision may be wrong. The caller holds the
// lock.
func (v *View) appended(c *driver.Commit, end int64) (rev *revision, known bool) {
	now := v.rev
	var err error
	if len(c.Lines) > 0 {
		if now.log, err = v.disk.Stamp(now.logFile); err != nil || now.log.Size != end {
			return &now, false // the lock file was removed, and another process appended since
		}
	}
	now.log.fresh = now.log.fresh && now.log.Size != end
	return &now, true
}

// Read calls look with a view of the model.
func (s *Store) Read(_ context.Context, useCase, model string, look func(driver.View) error) error {
	v, err := s.view(useCase, model)
	if err != nil {
		return err
	}
	return look(v)
}

func (s *Store) view(useCase, model string) (*View, error) {
	at := s.place(useCase, model)
	d, err := s.disk(false)
	if errors.Is(err, fs.ErrNotExist) {
		return &View{rev: revision{place: at}}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkSpelling(d, at); err != nil {
		return nil, err
	}
	v, err := newView(d, at)
	if err != nil {
		return nil, err
	}
	v.known, v.boot = s.lastStamp(at), s.boot()
	return v, nil
}

// newView takes the stamps first, so that bytes that are read later can only be
// newer.
func newView(d Disk, at *place) (v *View, err error) {
	v = &View{disk: d, rev: revision{place: at}}
	if v.rev.log, err = stampOf(d, v.rev.logFile); err != nil {
		return nil, err
	}
	v.rev.document, err = stampOf(d, v.rev.documentFile)
	return v, err
}

// Revision returns the revision that the view shows. It is a copy, because a
// pointer into the view would keep the document in memory.
func (v *View) Revision() driver.Revision {
	if v.disk == nil {
		return nil
	}
	rev := v.rev
	return &rev
}

// DocumentChanged reports whether the document may have changed since the
// revision.
func (v *View) DocumentChanged(since driver.Revision) bool {
	rev, ok := since.(*revision)
	return !ok || rev.document.changed(v.rev.document)
}

// readFrom reads a file that was stamped.
func (v *View) readFrom(name string, seen Stamp, offset int64) ([]byte, error) {
	data, id, err := v.disk.ReadFrom(name, offset)
	if v.unsure && (err != nil || id == FileID{} || id != seen.FileID) {
		return nil, errMoved
	}
	return data, err
}

// Document returns the document's bytes.
func (v *View) Document() ([]byte, bool, error) {
	if v.disk == nil {
		return nil, false, nil
	}
	data, err := v.readFrom(v.rev.documentFile, v.rev.document, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	v.rev.document.fresh = v.rev.document.fresh || int64(len(data)) < v.rev.document.Size
	v.document = data
	return data, err == nil, err
}

// OpenDocument opens the document. It returns nil for a document whose stamp
// may not show the next write: to notice that write, overtaken compares all
// bytes with those that Document returned.
func (v *View) OpenDocument() (driver.DocumentParts, int64, error) {
	now := &v.rev.document
	if v.disk == nil || !now.Exists || now.Dir || now.fresh || now.Size > maxDocument {
		return nil, 0, nil
	}
	f, info, err := v.openDocument()
	if v.unsure && (err != nil || idOf(info) == FileID{} || idOf(info) != now.FileID) {
		if f != nil {
			f.Close()
		}
		return nil, 0, errMoved
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	now.fresh = info.Size() < now.Size // truncated after the stamp was taken
	return f, info.Size(), nil
}

func (v *View) openDocument() (f ReadFile, info fs.FileInfo, err error) {
	if f, err = v.disk.OpenRead(v.rev.documentFile); err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Note returns the note of the document that a commit last put in place. It
// reports false if that is not known, or if the document that the view showed
// was replaced since: the note may name its replacement.
func (v *View) Note() (string, bool) {
	if v.disk == nil {
		return "", false
	}
	n, _, err := readNote(v.disk, path.Join(v.rev.dir, lockName))
	if err != nil {
		return "", false
	}
	at, err := n.current(v.disk, v.rev.dir, v.boot)
	if err != nil || v.overtaken() != nil {
		return "", false
	}
	return at, at != ""
}

// Tree returns what kind of tree a version has, and no kind if it has none.
func (v *View) Tree(version string) (driver.ItemKind, error) {
	if v.disk == nil || pathname.CheckFound(version) != nil {
		return "", nil
	}
	name := path.Join(v.rev.dir, versionsName, version)
	tree, err := v.disk.Stamp(name)
	if err != nil || !tree.Dir {
		return "", err
	}
	manifest, err := v.disk.Stamp(path.Join(name, manifestName))
	if err != nil || !manifest.Exists || manifest.Dir {
		return driver.ItemBare, err
	}
	return driver.ItemTree, nil
}

// overtaken returns errOvertaken if the document is no longer the one that the
// view showed. Where the stamps can't decide, it compares the bytes.
func (v *View) overtaken() error {
	now, err := v.disk.Stamp(v.rev.documentFile)
	if err != nil || !now.Exists {
		return err
	}
	differs := v.rev.document.differs(now)
	switch {
	case v.document == nil && differs:
		return errOvertaken
	case v.document == nil, !differs && !v.rev.document.fresh:
		return nil
	}
	data, _, err := v.disk.ReadFrom(v.rev.documentFile, 0)
	if err == nil && !bytes.Equal(data, v.document) {
		err = errOvertaken
	}
	return err
}

// Log returns the whole lines from a position on. It ignores the remains of a
// torn append after them. It returns an error if no line ends at the position.
func (v *View) Log(from int64) ([]byte, int64, error) {
	if from < 0 {
		return nil, 0, &fs.PathError{Op: "read", Path: v.rev.logFile, Err: fs.ErrNotExist}
	}
	if v.known.Size > 0 && from == v.known.Size && !v.known.differs(v.rev.log) {
		v.size, v.end, v.read, v.rev.log.fresh = from, from, true, false
		return nil, from, nil
	}
	if v.disk != nil && !v.rev.log.Exists && !v.unsure {
		if lines, end, is, err := v.copied(from); is || err != nil {
			return lines, end, err
		}
	}
	var data []byte
	if v.disk != nil {
		var err error
		data, err = v.readFrom(v.rev.logFile, v.rev.log, max(0, from-1))
		if err != nil && (from > 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, 0, err
		}
	}
	if from > 0 {
		if len(data) == 0 || data[0] != '\n' {
			return nil, 0, &fs.PathError{Op: "read", Path: v.rev.logFile, Err: fs.ErrNotExist}
		}
		data = data[1:]
	}
	// A log that is shorter than its stamp says was truncated meanwhile, or was
	// not read to its end. The caller must not cache a result of it.
	v.size = from + int64(len(data))
	v.rev.log.fresh = v.rev.log.fresh || v.size < v.rev.log.Size
	data = data[:logformat.Whole(data)]
	v.end, v.read = from+int64(len(data)), true
	return data, v.end, nil
}

// readToEnd returns an error if the log was not read to its end. Then the
// caller must not truncate the log or put trees aside.
func (v *View) readToEnd() error {
	if v.size < v.rev.log.Size {
		return &fs.PathError{Op: "read", Path: v.rev.logFile, Err: io.ErrUnexpectedEOF}
	}
	return nil
}
