package modelregistry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/internal/refcount"
)

// A Live holds the loaded version of a reference for a serving program. It
// loads another version when the reference means another one, and then replaces
// the current one.
//
// A Live notices a promotion within the interval and 50 ms. It verifies the
// digests of the new version, loads it and checks it, while the previous
// version stays in use. If one of these steps fails, the Live logs the failure,
// keeps the previous version and tries again later. If the reference means
// another version meanwhile, that is loaded at once. If the reference means no
// version any more, the current one also stays in use.
//
// Callers use the current T by [Live.Do], or by [Live.Acquire] and
// [Lease.Release]. Both take no lock and allocate nothing. A replaced T is
// closed when its last user is done. At most two Ts are in memory: while a
// replaced T is still in use, no third one is loaded.
//
// All methods are safe for concurrent use.
type Live[T any] struct {
	current refcount.Cell[served[T]]

	r    *ModelRegistry
	ref  Ref
	load func(context.Context, *Model) (T, error)
	opts LiveOptions[T]
	log  *slog.Logger

	watcher     *watcher
	cancel      context.CancelFunc
	ended       chan struct{}  // closed when the loop has ended
	retirements sync.WaitGroup // replaced Ts that are not closed yet
	closing     sync.Once
	closed      chan struct{} // closed when all Ts are closed
	err         error         // the error of closing the last T

	mu     sync.Mutex
	status LiveStatus
}

// served is a T and the version that it was loaded from.
type served[T any] struct {
	value   T
	version ModelVersion
	model   *Model
	since   time.Time
}

type item[T any] = refcount.Item[served[T]]

// LiveOptions configure a Live. The zero value and nil are valid.
type LiveOptions[T any] struct {
	// Interval is the time between two polls of the registry; 0 means
	// DefaultInterval.
	Interval time.Duration

	// Check tests a new T before it is used, for example by a prediction whose
	// answer is known. If it returns an error or panics, the T is closed and
	// not used.
	Check func(context.Context, T) error

	// Close is called for a T that has no user any more. If it is nil and the T
	// is an io.Closer, the T's own Close is called.
	Close func(T) error

	// Retry is the delay after which a failed version is tried again. It
	// doubles with each failure, up to MaxRetry. Retry is a second by default.
	// MaxRetry is five minutes by default, or Retry if that is longer.
	Retry, MaxRetry time.Duration

	// Wait lets NewLive wait until the reference means a version whose files
	// are there, for example until the first promotion. Without it, NewLive
	// fails with ErrNotFound. A reference that can never mean a version fails
	// at once in both cases, and so does a version that can't be loaded.
	Wait bool

	// Logger gets a message for each version that comes into use, fails or is
	// closed. If it is nil, the registry's logger is used.
	Logger *slog.Logger
}

// NewLive loads the version that ref means and returns a Live that has it in
// use. It fails with the error of the registry, of load or of the check. With
// LiveOptions.Wait, it waits for a version until ctx ends. The Live then polls
// the registry until Close. The end of ctx only ends the first load; the values
// of ctx reach every load and check.
//
// load makes a T from the files in Model.Path. The files stay until the T is
// closed, so load may map them into memory. It runs in a goroutine of its own,
// and never twice at the same time. Its context ends at Close, which waits for
// it. A panic in it counts as an error.
func NewLive[T any](ctx context.Context, r *ModelRegistry, ref Ref, load func(context.Context, *Model) (T, error), opts *LiveOptions[T]) (*Live[T], error) {
	l := &Live[T]{r: r, ref: ref, load: load, ended: make(chan struct{}), closed: make(chan struct{})}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.Interval <= 0 {
		l.opts.Interval = DefaultInterval
	}
	if l.opts.Retry <= 0 {
		l.opts.Retry = time.Second
	}
	if l.opts.MaxRetry <= 0 {
		l.opts.MaxRetry = max(5*time.Minute, l.opts.Retry)
	}
	if l.log = l.opts.Logger; l.log == nil {
		l.log = r.log
	}
	l.log = l.log.With(slog.String("ref", ref.String()))
	l.status.Ref = ref
	l.watcher = &watcher{r: r, ref: ref, interval: l.opts.Interval}
	f := &follower[T]{Live: l, loaded: make(chan loaded[T], 1), freed: make(chan struct{}, 1)}
	if err := f.first(ctx); err != nil {
		return nil, opError("serve", ref, err)
	}
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go f.run(ctx)
	return l, nil
}

// Do calls fn with the current T and its version, and returns the error of fn.
// Neither may be used after fn has returned, because the T may be closed then.
// After Close, Do returns ErrClosed.
func (l *Live[T]) Do(fn func(value T, v *ModelVersion) error) error {
	i, users := l.current.Acquire()
	if i == nil {
		return ErrClosed
	}
	defer i.Release(users)
	return fn(i.Value.value, &i.Value.version)
}

// Acquire returns a lease of the current T, for a use that does not fit a
// function, such as a stream. The caller must release it:
//
//	lease, err := live.Acquire()
//	if err != nil {
//		return err
//	}
//	defer lease.Release()
//
// A lease that is never released keeps its T open. The Live then loads one more
// version and no other; Status.Draining has the version that is still in use.
// After Close, Acquire returns ErrClosed.
func (l *Live[T]) Acquire() (Lease[T], error) {
	i, users := l.current.Acquire()
	if i == nil {
		return Lease[T]{}, ErrClosed
	}
	return Lease[T]{item: i, users: users}, nil
}

// A Lease keeps a T open until Release. It must not be copied, which go vet
// reports, and its methods must not be called concurrently.
type Lease[T any] struct {
	_     noCopy
	item  *item[T]
	users *refcount.Counter
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Value returns the T, which stays the same until Release. It panics after
// Release.
func (l *Lease[T]) Value() T { return l.held().value }

// Version returns the version that the T was loaded from, as it was at that
// time. The caller must not change it. Version panics after Release.
func (l *Lease[T]) Version() *ModelVersion { return &l.held().version }

func (l *Lease[T]) held() *served[T] {
	if l.item == nil {
		panic("modelregistry: Lease used after Release")
	}
	return &l.item.Value
}

// Release ends the use of the T. A second call does nothing.
func (l *Lease[T]) Release() {
	if i := l.item; i != nil {
		l.item = nil
		i.Release(l.users)
	}
}

// Close stops the Live. It waits for a load in progress and for all users,
// closes the current T, and returns the error of that. It does not close the
// registry. Close blocks forever if it is called within Do, or by a goroutine
// that holds a lease.
func (l *Live[T]) Close() error { return l.Shutdown(context.Background()) }

// Shutdown is like Close, but it returns the context's error if the context
// ends first. The Ts that are still in use are then closed when their users are
// done.
func (l *Live[T]) Shutdown(ctx context.Context) error {
	l.closing.Do(func() {
		l.cancel()
		go func() {
			defer close(l.closed)
			<-l.ended // no other T can come into use now
			if i := l.current.Replace(nil); i != nil {
				i.Wait()
				l.err = l.discard(&i.Value)
			}
			l.retirements.Wait()
		}()
	})
	select {
	case <-l.closed:
		return opError("close", l.ref, l.err)
	case <-ctx.Done():
		return opError("close", l.ref, ctx.Err())
	}
}

// A LiveStatus is the state of a Live, for a health check.
type LiveStatus struct {
	Ref     Ref
	Version ModelVersion // the version in use
	Since   time.Time    // when it came into use

	// Wanted is the version that the reference means, empty if it means none.
	// If it is not Version, it is being loaded, waits to be loaded, or has
	// failed.
	Wanted   string
	Loading  bool      // a version is being loaded
	Draining string    // the replaced version that is still in use, empty for none
	Failures int       // how often Wanted has failed in a row
	NextTry  time.Time // when Wanted is tried again, zero if it has not failed

	LastCheck time.Time // when the registry last answered
	// LastError is why Wanted is not in use, or why the reference means no
	// version. It is nil if there is no such error.
	LastError   error
	LastErrorAt time.Time
}

// Status returns the present state of the Live.
func (l *Live[T]) Status() LiveStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

func (l *Live[T]) note(change func(*LiveStatus)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.status)
}

// MarshalJSON returns the status. Of Version it has only the number.
func (s LiveStatus) MarshalJSON() ([]byte, error) {
	var lastError *string
	if s.LastError != nil {
		text := s.LastError.Error()
		lastError = &text
	}
	return json.Marshal(struct {
		Ref         Ref     `json:"ref"`
		Version     string  `json:"version"`
		Since       *string `json:"since"`
		Wanted      string  `json:"wanted"`
		Loading     bool    `json:"loading"`
		Draining    string  `json:"draining,omitempty"`
		Failures    int     `json:"failures"`
		NextTry     *string `json:"next_try"`
		LastCheck   *string `json:"last_check"`
		LastError   *string `json:"last_error"`
		LastErrorAt *string `json:"last_error_at"`
	}{s.Ref, s.Version.Version, timeOrNull(s.Since), s.Wanted, s.Loading, s.Draining, s.Failures, timeOrNull(s.NextTry), timeOrNull(s.LastCheck),
		lastError, timeOrNull(s.LastErrorAt)})
}

// discard closes a T and its files.
func (l *Live[T]) discard(s *served[T]) error {
	err := contained("closing it", func() error {
		if l.opts.Close != nil {
			return l.opts.Close(s.value)
		}
		if c, ok := any(s.value).(io.Closer); ok {
			return c.Close()
		}
		return nil
	})
	err = errors.Join(err, s.model.Close())
	attrs := []any{slog.String("version", s.version.Version)}
	if err != nil {
		l.log.Warn("model not closed", append(attrs, errorAttrs(err)...)...)
	} else {
		l.log.Info("model closed", attrs...)
	}
	return err
}
