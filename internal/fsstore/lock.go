package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/gofrs/flock"
)

// A gate admits one goroutine of this process at a time to a lock file. flock
// itself does not exclude goroutines that share a handle, and its polling
// starves; so whoever is through the gate tries once, and then waits in a single
// blocking call, which hands over at once. One goroutine a gate makes that
// call, however many callers give up meanwhile.
type gate struct {
	sem chan struct{} // holds one token: the right to be at the lock file

	mu       sync.Mutex
	waiting  bool      // somebody wants what the blocking call will get
	blocking *lockFile // the lock file of the blocking call under way, or nil
	result   chan locked
}

type locked struct {
	lock *lockFile
	err  error
}

func newGate() *gate {
	return &gate{sem: make(chan struct{}, 1), result: make(chan locked, 1)}
}

func newFlock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(0o666))
}

// A lockFile is a lock file. Unlock closes it, whether it is locked or not.
type lockFile struct {
	*flock.Flock
	file fs.FileInfo // of the locked file; nil until Named is called
}

// Named reports whether the path names the locked file. Only then does the lock
// exclude other processes.
func (l *lockFile) Named() (bool, error) {
	at, err := os.Lstat(l.Path())
	if err == nil && l.file == nil {
		l.file, err = l.Stat()
	}
	return err == nil && os.SameFile(at, l.file), err
}

// A hold is a lock that was acquired.
type hold struct {
	gate *gate
	lock *lockFile
}

func (h hold) release() {
	h.lock.Unlock()
	<-h.gate.sem
}

// valid reports whether the lock is worth something: only if the path still names the file.
func (h hold) valid() bool {
	ok, _ := h.lock.Named()
	return ok
}

// errVoid says that the path does not name the file that was locked.
var errVoid = errors.New("lock file was taken away")

// acquire locks a file, or another that an acquire before it waited for. It returns the context's error when that
// ends first.
func (g *gate) acquire(ctx context.Context, file *lockFile) (hold, error) {
	select {
	case g.sem <- struct{}{}:
	case <-ctx.Done():
		file.Unlock()
		return hold{}, ctx.Err()
	}
	lock, err := g.lock(ctx, file)
	if err == nil {
		var ok bool
		if ok, err = lock.Named(); ok {
			return hold{g, lock}, nil
		}
		lock.Unlock()
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = errVoid
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	<-g.sem
	return hold{}, err
}

func (g *gate) lock(ctx context.Context, file *lockFile) (*lockFile, error) {
	g.mu.Lock()
	if g.blocking != nil {
		file.Unlock()
	} else {
		if ok, err := file.TryLock(); ok || err != nil {
			g.mu.Unlock()
			if err != nil {
				file.Unlock()
			}
			return file, err
		}
		g.blocking = file
		go g.block(file)
	}
	g.waiting = true
	g.mu.Unlock()
	select {
	case got := <-g.result:
		return got.lock, got.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = false
	select {
	case got := <-g.result: // it came at the same moment
		if got.err == nil {
			got.lock.Unlock()
		}
	default:
	}
	return nil, ctx.Err()
}

func (g *gate) block(lock *lockFile) {
	err := lock.Lock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		lock.Unlock()
	}
	g.blocking = nil
	if g.waiting {
		g.waiting = false
		g.result <- locked{lock, err}
	} else if err == nil {
		lock.Unlock()
	}
}
