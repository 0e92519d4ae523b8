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
	waiting  bool // somebody wants what the blocking call will get
	blocking bool // the blocking call is under way
	result   chan locked
}

type locked struct {
	lock *flock.Flock
	err  error
}

func newGate() *gate {
	return &gate{sem: make(chan struct{}, 1), result: make(chan locked, 1)}
}

func newFlock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|noFollow), flock.SetPermissions(0o666))
}

// A hold is a lock that was acquired.
type hold struct {
	release func()
	valid   func() bool // the path names the locked file still, so that it excludes others
}

// acquire locks the file at path. It returns the context's error when that ends first.
func (g *gate) acquire(ctx context.Context, path string) (hold, error) {
	select {
	case g.sem <- struct{}{}:
	case <-ctx.Done():
		return hold{}, ctx.Err()
	}
	for {
		lock, err := g.lock(ctx, path)
		if err != nil {
			<-g.sem
			return hold{}, err
		}
		// The lock is worth something only if the path still names the file.
		same := func() (bool, error) {
			at, err := os.Lstat(path)
			held, heldErr := lock.Stat()
			if err = errors.Join(err, heldErr); err != nil {
				return false, err
			}
			return os.SameFile(at, held), nil
		}
		ok, err := same()
		if ok {
			return hold{
				release: func() { lock.Unlock(); <-g.sem },
				valid:   func() bool { ok, _ := same(); return ok },
			}, nil
		}
		lock.Unlock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			<-g.sem
			return hold{}, errors.Join(ctx.Err(), err)
		}
	}
}

func (g *gate) lock(ctx context.Context, path string) (*flock.Flock, error) {
	g.mu.Lock()
	if !g.blocking {
		lock := newFlock(path)
		if ok, err := lock.TryLock(); ok || err != nil {
			g.mu.Unlock()
			return lock, err
		}
		g.blocking = true
		go g.block(lock)
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

func (g *gate) block(lock *flock.Flock) {
	err := lock.Lock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocking = false
	if g.waiting {
		g.waiting = false
		g.result <- locked{lock, err}
	} else if err == nil {
		lock.Unlock()
	}
}
