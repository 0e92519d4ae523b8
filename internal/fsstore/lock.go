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
	waiting  bool   // somebody wants what the blocking call will get
	blocking locker // the lock file of the blocking call under way, or nil
	result   chan locked
}

type locked struct {
	lock locker
	err  error
}

func newGate() *gate {
	return &gate{sem: make(chan struct{}, 1), result: make(chan locked, 1)}
}

func newFlock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(0o666))
}

// A locker is a lock file that is opened when it is made, or when it is locked.
type locker interface {
	TryLock() (bool, error)
	Lock() error          // waits
	Unlock() error        // closes it, whether it is locked or not
	Named() (bool, error) // its path names the locked file, so that it excludes others

	// Await shows to whoever has the lock whether somebody waits for it, and Awaited tells whether somebody
	// does, as far as the system can.
	Await(waits bool)
	Awaited() bool
}

// A pathLock is opened by its path, on any system.
type pathLock struct {
	*flock.Flock
	file fs.FileInfo // that was locked; nil if nobody asked yet
}

func (l *pathLock) Named() (bool, error) {
	at, err := os.Lstat(l.Path())
	if err == nil && l.file == nil {
		l.file, err = l.Stat()
	}
	return err == nil && os.SameFile(at, l.file), err
}

func (*pathLock) Await(bool)    {}
func (*pathLock) Awaited() bool { return false }

// A hold is a lock that was acquired.
type hold struct {
	gate *gate
	lock locker
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
func (g *gate) acquire(ctx context.Context, file locker) (hold, error) {
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

func (g *gate) lock(ctx context.Context, file locker) (locker, error) {
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
	g.blocking.Await(true)
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
		g.blocking.Await(false)
	}
	return nil, ctx.Err()
}

func (g *gate) block(lock locker) {
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
