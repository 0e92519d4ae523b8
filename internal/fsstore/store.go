// Package fsstore keeps a model registry's bytes in a folder: per model a log,
// a document that is a checkpoint of it, and one folder for each version.
//
//	{use_case}/{model}/history.jsonl          the log: one event a line, append-only
//	                   registry.json          the checkpoint
//	                   .lock                  flock; never deleted
//	                   .staging/{random}/     a version that is being made, with its owner's lock
//	                   .orphans/              trees of changes that did not happen
//	                   .repairs/{time}/       the files that a repair replaced
//	                   history/               in place of a log, in a copy of a bucket
//	                   versions/{version}/
//
// A change happens in these steps. The tree is written and synced in a staging
// folder, outside the lock. A model's first change then makes an empty log and
// syncs its name, so that trees without a log mean a loss, not a crash. Under
// the lock, the tree is renamed into versions/ and that folder synced. Then the
// lines are appended and synced, which is the commit. Then the document is
// replaced by a rename. Reading takes no lock and writes nothing.
//
// # Invariants
//
// These are the invariants of a store. A test that holds one names its number.
// Those of registries (stages, entries) are in the root package's tests.
//
//  1. A version that any reader sees is complete and matches its digests.
//  2. A registration happens completely or not at all. An acknowledged change
//     survives a power cut. A change that was not acknowledged is present
//     completely or not at all.
//  3. There are never two versions in production at any instant. A promotion
//     and the archiving of the predecessor are one step.
//  4. N processes with M registrations each make N×M versions with distinct
//     numbers and N×M events. No update is lost.
//  5. After any crash, also one during recovery, the next reader can read and
//     the next writer can write, without a repair.
//  6. An operation that fails returns its cause and leaves no debris. If the
//     outcome can't be known, the error says so ([driver.ErrUncertain]). A
//     document that can't be written does not fail a change.
//  7. A damaged document or log is a typed error with path and offset for
//     callers that need it, and is never overwritten silently. A damaged
//     document beside a sound log hides nothing. A damaged line in the middle
//     of a log is never skipped.
//  8. The staging folder of a dead process is removed. That of a living or
//     stopped process is not. A folder that is not the store's is not touched.
//  9. When a lock holder is killed, the next waiter gets the lock at once. A
//     waiter gives up when its context ends. A lock file that was deleted or
//     replaced is noticed. No process starves.
//  10. The clock may stand still or run backwards.
//  11. Replaying the log from its first event gives the state. An external
//     change is an event of its own, and merging it loses no change of either
//     side.
//  12. A document that lags behind its log weakens none of these.
package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// Names inside a model's folder.
const (
	logName      = "history.jsonl"
	documentName = "registry.json"
	documentTemp = ".registry.json.tmp"
	logTemp      = ".history.jsonl.tmp"
	lockName     = ".lock"
	stagingName  = ".staging"
	orphansName  = ".orphans"
	repairsName  = ".repairs"
	versionsName = "versions"
	manifestName = "manifest.json"
	artifactName = "model"
)

// errOvertaken says that a document was not replaced, because another program
// wrote it after the view was taken.
var errOvertaken = fmt.Errorf("%w: another program wrote the document", driver.ErrOvertaken)

// A Store is one folder. It implements [driver.Store], [driver.Looker],
// [driver.Maintainer], [driver.Usage], [driver.Remover], [driver.Cleaner],
// [driver.TreeReader], [driver.TreeWriter] and [driver.LockHolder]. It is safe
// for concurrent use, also by several Stores and processes.
type Store struct {
	// OneMachine says that only this machine writes to the folder, although
	// others may mount it. Set it before the first use.
	OneMachine bool
	// Log gets warnings, if it is not nil. Set it before the first use.
	Log *slog.Logger

	dir string

	mu          sync.Mutex
	opened      Disk
	folder      fs.FileInfo // the folder that was opened
	closed      bool
	made        []string // the folder and those above it that this store made
	unmakeLate  bool     // they could not be removed, because the folder is open
	wrap        func(Disk) Disk
	bootID      func() string    // nil for the system's own
	bootedAt    func() time.Time // nil for the system's own
	locks       map[string]*localLock
	swept       map[string]time.Time // when a model's staging was last searched
	leftovers   map[string][]string  // see noteLeftover
	leftoversAt time.Time            // when the store last could not remove it
	found       map[[3]string]*folder
	places      map[driver.Name]*place
	mounts      map[uint64]error // by device; see checkMount
}

// Open returns the store in dir. The folder may be missing. Anything but a
// folder in its place is an error.
func Open(dir string) (*Store, error) {
	if err := pathname.CheckFolder(dir); err != nil {
		return nil, fmt.Errorf("store folder %q: %w: %w", dir, fs.ErrInvalid, err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := above(abs); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &Store{dir: abs, wrap: WrapAll, locks: map[string]*localLock{}, swept: map[string]time.Time{}, found: map[[3]string]*folder{}, places: map[driver.Name]*place{}, mounts: map[uint64]error{}}, nil
}

// WrapAll, if it is set, is the Wrap of every store that is opened. It is for
// child processes of tests, which have no store at hand to wrap.
var WrapAll func(Disk) Disk

// Wrap makes the store do its I/O through the disk that wrap returns. It is for
// tests. Call it before the first use.
func (s *Store) Wrap(wrap func(Disk) Disk) { s.wrap = wrap }

// Close ends the use of the folder.
func (s *Store) Close() error {
	s.mu.Lock()
	d := s.opened
	s.mu.Unlock()
	if d != nil {
		s.removeLeftovers(d, true)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.opened == nil {
		return nil
	}
	d = s.opened
	s.opened = nil
	err := d.Close()
	if s.unmakeLate {
		s.unmakeNow()
	}
	return err
}

// disk opens the folder. With create it makes the folder and those above it. If
// the folder was deleted, moved or replaced since it was opened, disk opens it
// again, because an open folder stays the one that was opened.
func (s *Store) disk(create bool) (Disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened != nil && moved(s.dir, s.folder) {
		s.opened = nil  // not closed: a reader may still use it, and finds nothing
		clear(s.mounts) // the device numbers may have a new meaning
	}
	return s.open(create)
}

// lastDisk is disk without the check that the folder is still the same, for
// callers that check the path themselves.
func (s *Store) lastDisk() (Disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open(false)
}

// open opens the folder unless it is open. The caller holds the lock.
func (s *Store) open(create bool) (Disk, error) {
	if s.closed {
		return nil, fs.ErrClosed
	}
	if s.opened != nil {
		return s.opened, nil
	}
	if create {
		if err := s.makeDir(); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, wrong := above(s.dir); wrong != nil {
			err = wrong
		}
	}
	if err != nil {
		return nil, err
	}
	folder, err := root.Stat(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s.opened, s.folder = s.wrapped(root), folder
	for _, at := range s.places { // it may be another folder than the one before
		at.synced, at.spelled = false, nil
	}
	return s.opened, nil
}

func (s *Store) wrapped(root *os.Root) Disk {
	d := dirDisk{root}
	if s.wrap == nil {
		return d
	}
	return s.wrap(d)
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// makeDir makes the store's folder and those above it that are missing. The
// caller holds the lock.
func (s *Store) makeDir() error {
	above, err := above(s.dir)
	if err != nil || above == s.dir {
		return err
	}
	name, err := filepath.Rel(above, s.dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(above)
	if err != nil {
		return err
	}
	d := s.wrapped(root)
	defer d.Close()
	made, err := ensure(d, filepath.ToSlash(name))
	for _, name := range made {
		s.made = append(s.made, filepath.Join(above, filepath.FromSlash(name)))
	}
	return err
}

// unmake removes the store's own folder again, if this store made it and it is
// empty. Windows does not remove the folder while it is open; Close does then.
func (s *Store) unmake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unmakeNow()
}

// unmakeNow is unmake for a caller that holds the lock.
func (s *Store) unmakeNow() {
	for _, dir := range slices.Backward(s.made) {
		if err := os.Remove(dir); err != nil {
			s.unmakeLate = isInUse(err)
			return
		}
		s.opened = nil // not closed: a reader may still use it, and finds nothing
		s.made = s.made[:len(s.made)-1]
	}
}

// ensure makes a folder of the store and those above it, and syncs each parent.
// It returns the folders that it made, outermost first.
func ensure(d Disk, name string) (made []string, err error) {
	if name == "." {
		return nil, nil
	}
	info, err := d.Lstat(name)
	if err == nil && info.IsDir() {
		return nil, nil
	}
	if err == nil {
		return nil, &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	parent := path.Dir(name)
	if made, err = ensure(d, parent); err != nil {
		return made, err
	}
	switch err := d.Mkdir(name); {
	case err == nil:
		made = append(made, name)
	case !errors.Is(err, fs.ErrExist):
		return made, err
	}
	return made, d.Sync(parent)
}

// syncFolders makes the model's folder and those above it durable before the
// first commit that this store makes in it. Another process may have made one
// of them and not have synced its parent yet, or may have died before it did.
// The caller holds the model's lock.
func (s *Store) syncFolders(d Disk, at *place) error {
	s.mu.Lock()
	synced := at.synced
	s.mu.Unlock()
	if synced {
		return nil
	}
	for _, dir := range []string{at.dir, path.Dir(at.dir), "."} {
		if err := d.Sync(dir); err != nil {
			return err
		}
	}
	if err := s.syncParent(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at.synced = true
	return nil
}

// syncParent syncs the folder that contains the store's folder. If this user
// may not read it, another user made it and syncs it.
func (s *Store) syncParent() error {
	f, err := os.Open(filepath.Dir(s.dir))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFile(f)
}

func (s *Store) localLock(dir string) *localLock {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.locks[dir]
	if l == nil {
		l = newLocalLock()
		s.locks[dir] = l
	}
	return l
}

// lock locks a model whose folder exists.
func (s *Store) lock(ctx context.Context, d Disk, dir string) (hold, error) {
	file := path.Join(dir, lockName)
	if err := makeLock(d, file); err != nil {
		return hold{}, err
	}
	for {
		held, err := s.localLock(dir).acquire(ctx, &lockFile{Flock: newFlock(s.path(file))})
		if err != errVoid {
			return held, err
		}
	}
}

// makeLock makes a lock file that is missing. flock would make it too, with the
// mode that the umask leaves.
func makeLock(d Disk, file string) error {
	if _, err := d.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return d.Make(file)
}

// lockMade locks a model. It makes the model's folder, and the store's, if they
// are missing.
func (s *Store) lockMade(ctx context.Context, at *place) (Disk, hold, error) {
	if err := s.checkMount(at); err != nil {
		return nil, hold{}, err
	}
	d, err := s.disk(true)
	if err != nil {
		return nil, hold{}, err
	}
	if _, err := ensure(d, at.dir); err != nil {
		return nil, hold{}, err
	}
	if err := s.checkSpelling(d, at); err != nil {
		return nil, hold{}, err
	}
	held, err := s.lock(ctx, d, at.dir)
	return d, held, err
}
