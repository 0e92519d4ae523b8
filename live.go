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

// A Live is what a serving program holds of a model: the version that a
// reference means, loaded, and replaced when the reference means another one.
//
// A new version is taken up by the interval and 50 ms after it was promoted,
// plus the time that it takes to load, in which the one before goes on serving.
// Its digests are verified before it is loaded. One that does not verify, does
// not load or does not pass the check is reported and not used: the last good
// one goes on serving. It is tried again after a while, and a later change of
// the model is followed at once. The same holds when the reference comes to
// mean nothing: what was loaded stays.
//
// Callers use the current T by [Live.Do], or by [Live.Acquire] and
// [Lease.Release]. Both take no lock and allocate nothing. A T that was
// replaced is closed when its last user is done, never before. There are two Ts
// in memory at most: while one that was replaced is still in use, no third is
// loaded.
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
	ended       chan struct{}  // the loop is at its end
	retirements sync.WaitGroup // of what was replaced
	closing     sync.Once
	closed      chan struct{} // all is closed
	err         error         // of closing the last T

	mu     sync.Mutex
	status LiveStatus
}

// served is a T and what it was loaded from.
type served[T any] struct {
	value   T
	version ModelVersion
	model   *Model
	since   time.Time
}

type item[T any] = refcount.Item[served[T]]

// LiveOptions say how to follow a reference. The zero value and nil serve.
type LiveOptions[T any] struct {
	// Interval is the time between two looks at the registry; 0 is
	// DefaultInterval.
	Interval time.Duration

	// Check is a warm-up: it may ask the new T for a prediction whose answer is
	// known. A T that it returns an error for, or panics over, is closed and
	// not used.
	Check func(context.Context, T) error

	// Close ends the use of a T that has no user any more. Without it a T that
	// is an io.Closer is closed.
	Close func(T) error

	// Retry is how long after a failure the same version is tried again; it
	// doubles with each, up to MaxRetry. 0 is a second, and five minutes or
	// Retry, if that is longer.
	Retry, MaxRetry time.Duration

	// Logger is told of versions taken up, failed and closed; nil is the
	// registry's.
	Logger *slog.Logger
}

// NewLive loads the version that ref means, and returns once it serves; else
// with the error of the registry, of load or of the check. From then on it
// follows the registry, until Close. The context bounds the first load only;
// its values reach all.
//
// load makes a T of the files in Model.Path. They stay as long as the T does,
// so it may map them. load runs in a goroutine of its own, one at a time; its
// context ends at Close, which waits for it. A panic in it is an error like any
// other.
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

// Do calls fn with the current T and its version, and returns what fn returns.
// Neither may be used after fn returned: the T may be closed then. Do fails
// with ErrClosed after Close.
func (l *Live[T]) Do(fn func(value T, v *ModelVersion) error) error {
	i, users := l.current.Acquire()
	if i == nil {
		return ErrClosed
	}
	defer i.Release(users)
	return fn(i.Value.value, &i.Value.version)
}

// Acquire returns the current T for a use that does not fit a function, such as
// a stream. It must be released, as by
//
//	lease, err := live.Acquire()
//	if err != nil {
//		return err
//	}
//	defer lease.Release()
//
// A lease that is never released keeps its T open, and with that the next
// version but one from being loaded; Status tells what is still in use. Acquire
// fails with ErrClosed after Close.
func (l *Live[T]) Acquire() (Lease[T], error) {
	i, users := l.current.Acquire()
	if i == nil {
		return Lease[T]{}, ErrClosed
	}
	return Lease[T]{item: i, users: users}, nil
}

// A Lease keeps a T from being closed. It is one goroutine's, and is not to be
// copied; go vet finds copies.
type Lease[T any] struct {
	_     noCopy
	item  *item[T]
	users *refcount.Counter
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Value returns the T, the same one until the release. It panics after it.
func (l *Lease[T]) Value() T { return l.held().value }

// Version returns what the T was loaded from, as it was then; it is not to be
// changed. It panics after the release.
func (l *Lease[T]) Version() *ModelVersion { return &l.held().version }

func (l *Lease[T]) held() *served[T] {
	if l.item == nil {
		panic("modelregistry: Lease used after its release")
	}
	return &l.item.Value
}

// Release says that the T is no longer used. A second call does nothing.
func (l *Lease[T]) Release() {
	if i := l.item; i != nil {
		l.item = nil
		i.Release(l.users)
	}
}

// Close ends the following and the use of the current T: it waits for a load
// under way and for all users, closes the T, and returns its error. Within Do
// or before a lease of the same goroutine is released it would wait forever. It
// does not close the registry.
func (l *Live[T]) Close() error { return l.Shutdown(context.Background()) }

// Shutdown is Close that waits no longer than the context lasts. What is left
// then is closed when its users are done.
func (l *Live[T]) Shutdown(ctx context.Context) error {
	l.closing.Do(func() {
		l.cancel()
		go func() {
			defer close(l.closed)
			<-l.ended // no T comes into use any more
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

// A LiveStatus tells how a Live is doing, for a health check.
type LiveStatus struct {
	Ref     Ref
	Version ModelVersion // that serves
	Since   time.Time    // when it began to

	// Wanted is the version that the reference means. While it is not Version,
	// it is being loaded, waits, or failed. It is empty while the reference
	// means nothing.
	Wanted   string
	Loading  bool
	Draining string    // a version that was replaced and is still in use
	Failures int       // in a row, of Wanted
	NextTry  time.Time // of Wanted, after a failure

	LastCheck time.Time // when the registry last answered
	// LastError is what stands in the way of serving what the reference means;
	// nil if nothing does.
	LastError   error
	LastErrorAt time.Time
}

// Status tells how it is doing.
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

// MarshalJSON returns the status, of the version its number only.
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
