package fsstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/gofrs/flock"
)

// A localLock admits one goroutine of this process at a time to a lock file.
// Two reasons make it necessary: flock does not exclude goroutines that share a
// handle, and polling with flock starves. So the goroutine that holds the local
// lock tries once, and then waits in a single blocking call, which gets the
// lock as soon as it is free. Each local lock has at most one such call,
// however many callers give up meanwhile.
type localLock struct {
	sem chan struct{} // holds one token: the right to use the lock file

	mu       sync.Mutex
	waiting  bool      // a caller wants the lock that the blocking call will get
	blocking *lockFile // the lock file of the blocking call under way, or nil
	result   chan locked
}

type locked struct {
	lock *lockFile
	err  error
}

func newLocalLock() *localLock {
	return &localLock{sem: make(chan struct{}, 1), result: make(chan locked, 1)}
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
	local *localLock
	lock  *lockFile
}

func (h hold) release() {
	h.lock.Unlock()
	<-h.local.sem
}

// valid reports whether the lock excludes other processes. It does only if the
// path still names the file.
func (h hold) valid() bool {
	ok, _ := h.lock.Named()
	return ok
}

// errVoid says that the path does not name the file that was locked.
var errVoid = errors.New("lock file was taken away")

// acquire locks a file, or an earlier file that an earlier acquire waited for.
// It returns the context's error if the context ends first.
func (l *localLock) acquire(ctx context.Context, file *lockFile) (hold, error) {
	select {
	case l.sem <- struct{}{}:
	case <-ctx.Done():
		file.Unlock()
		return hold{}, ctx.Err()
	}
	lock, err := l.lock(ctx, file)
	if err == nil {
		var ok bool
		if ok, err = lock.Named(); ok {
			return hold{l, lock}, nil
		}
		lock.Unlock()
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = errVoid
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	<-l.sem
	return hold{}, err
}

func (l *localLock) lock(ctx context.Context, file *lockFile) (*lockFile, error) {
	l.mu.Lock()
	if l.blocking != nil {
		file.Unlock()
	} else {
		if ok, err := file.TryLock(); ok || err != nil {
			l.mu.Unlock()
			if err != nil {
				file.Unlock()
			}
			return file, err
		}
		l.blocking = file
		go l.block(file)
	}
	l.waiting = true
	l.mu.Unlock()
	select {
	case got := <-l.result:
		return got.lock, got.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	select {
	case got := <-l.result: // the lock was acquired at the same moment
		if got.err == nil {
			got.lock.Unlock()
		}
	default:
	}
	return nil, ctx.Err()
}

func (l *localLock) block(lock *lockFile) {
	err := lock.Lock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		lock.Unlock()
	}
	l.blocking = nil
	if l.waiting {
		l.waiting = false
		l.result <- locked{lock, err}
	} else if err == nil {
		lock.Unlock()
	}
}
