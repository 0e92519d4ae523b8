// Package follow keeps a value loaded from the version that a reference means.
// It polls for the version, loads another one when the reference means another
// one, and replaces the value before. It does not know what a registry, a
// reference or a version's files are: functions of a Config do that.
package follow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/internal/refcount"
)

// A Version is what a reference means: a number and the digest of the version's
// manifest.
type Version struct{ Number, Digest string }

// A Config says what a Follower follows, and how it loads a T from the files F
// of a version. Each function is required, unless it says otherwise.
type Config[T any, F io.Closer] struct {
	// Poll returns the version that the reference means. changed is true if it
	// found another version or another error than it returned last.
	Poll func(ctx context.Context) (v Version, changed bool, err error)
	// UntilPoll returns the time until the next poll.
	UntilPoll func() time.Duration
	// NotYet reports whether an error of Poll says that the reference means no
	// version now, although it may later.
	NotYet func(error) bool
	// Acceptable reports whether a version may be used although the reference
	// means a later one. Its error says that this is not known.
	Acceptable func(ctx context.Context, v Version) (bool, error)

	// Fetch opens the files of a version. If it has to download them, it calls
	// progress with the bytes that are here and the bytes of all files.
	Fetch func(ctx context.Context, v Version, progress func(done, total int64)) (F, error)
	// Verify checks the digests of the files.
	Verify func(ctx context.Context, files F) error
	// VersionOf returns the version that files belong to.
	VersionOf func(F) Version
	// Load makes a T.
	Load func(ctx context.Context, files F) (T, error)
	// Check tests a new T before it is used. It may be nil.
	Check func(ctx context.Context, value T) error
	// Close closes a T. If it is nil and the T is an io.Closer, the T's own
	// Close is called.
	Close func(T) error

	// Retry is the delay after a first failure. It doubles with each failure,
	// up to MaxRetry.
	Retry, MaxRetry time.Duration
	// Wait lets New wait for a version while NotYet is true for Poll's error.
	Wait bool
	Log  *slog.Logger
}

// A Follower holds the value of the version that a reference means. It is safe
// for concurrent use.
type Follower[T any, F io.Closer] struct {
	current refcount.Cell[Loaded[T, F]]

	cfg         Config[T, F]
	cancel      context.CancelFunc
	ended       chan struct{}  // closed when the loop has ended
	retirements sync.WaitGroup // replaced Ts that are not closed yet
	closing     sync.Once
	closed      chan struct{} // closed when all Ts are closed
	err         error         // the error of closing the last T

	mu     sync.Mutex
	status Status[F]
}

// A Loaded is a T and the files that it was loaded from.
type Loaded[T any, F io.Closer] struct {
	Value   T
	Files   F
	version Version
	cancel  context.CancelFunc // ends the context that the T was loaded with
}

// An Item is a Loaded whose users are counted.
type Item[T any, F io.Closer] = refcount.Item[Loaded[T, F]]

// A Status is the state of a Follower.
type Status[F io.Closer] struct {
	Files F // those of the version in use; they may be closed
	Since time.Time

	Wanted       string
	Loading      string
	LoadingSince time.Time
	Fetched      int64 // bytes
	FetchTotal   int64 // bytes
	Draining     string
	Failures     int
	NextTry      time.Time

	LastCheck   time.Time
	LastError   error
	LastErrorAt time.Time

	moved time.Time // when the download that runs got its last byte; zero if none runs
}

// New loads the first version and returns a Follower that has it in use. The
// end of ctx only ends the first load; the values of ctx reach every load.
func New[T any, F io.Closer](ctx context.Context, cfg Config[T, F]) (*Follower[T, F], error) {
	f := &Follower[T, F]{cfg: cfg, ended: make(chan struct{}), closed: make(chan struct{})}
	l := &loop[T, F]{Follower: f, loaded: make(chan result[T, F], 1), freed: make(chan struct{}, 1)}
	if err := l.first(ctx); err != nil {
		return nil, err
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go l.run(ctx)
	return f, nil
}

// Acquire returns the current item and the counter on which the caller is
// counted, for its Release. It returns nil after Shutdown.
func (f *Follower[T, F]) Acquire() (*Item[T, F], *refcount.Counter) { return f.current.Acquire() }

// Shutdown stops the Follower, waits for a load in progress and for all users,
// and returns the error of closing the current T. If ctx ends first, it returns
// the error of ctx, and the Ts are closed when their users are done.
func (f *Follower[T, F]) Shutdown(ctx context.Context) error {
	f.closing.Do(func() {
		f.cancel()
		go func() {
			defer close(f.closed)
			<-f.ended // no other T can come into use now
			if i := f.current.Replace(nil); i != nil {
				i.Wait()
				f.err = f.discard(&i.Value)
			}
			f.retirements.Wait()
		}()
	})
	select {
	case <-f.closed:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Status returns the present state.
func (f *Follower[T, F]) Status() Status[F] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *Follower[T, F]) note(change func(*Status[F])) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

// Lock returns the lock of the Follower, so that a test can hold it.
func (f *Follower[T, F]) Lock() sync.Locker { return &f.mu }

// discard closes a T and its files.
func (f *Follower[T, F]) discard(l *Loaded[T, F]) error {
	err := contained("closing it", func() error {
		if f.cfg.Close != nil {
			return f.cfg.Close(l.Value)
		}
		if c, ok := any(l.Value).(io.Closer); ok {
			return c.Close()
		}
		return nil
	})
	err = errors.Join(err, l.Files.Close())
	l.cancel()
	attrs := []any{slog.String("version", l.version.Number)}
	if err != nil {
		f.cfg.Log.Warn("model not closed", append(attrs, errorAttrs(err)...)...)
	} else {
		f.cfg.Log.Info("model closed", attrs...)
	}
	return err
}
