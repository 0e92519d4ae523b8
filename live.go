package modelregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/ubunye-go/modelregistry/internal/follow"
	"github.com/ubunye-go/modelregistry/internal/refcount"
)

// A Live holds the loaded version of a reference for a serving program. It
// loads another version when the reference means another one, and then replaces
// the current one.
//
// A Live notices a promotion within the interval and 50 ms. It verifies the
// digests of the new version, loads it and checks it, while the previous
// version stays in use. If the store is not on this machine, it downloads the
// files first, and polls on meanwhile. If one of these steps fails, the Live
// logs the failure, keeps the previous version and tries again later. If the
// reference means another version meanwhile, the load of a version that will
// not be used is ended, and the other one is loaded at once. If the reference
// means no version any more, the current one also stays in use.
//
// Callers use the current T by [Live.Do], or by [Live.Acquire] and
// [Lease.Release]. Both take no lock and allocate nothing. A replaced T is
// closed when its last user is done. At most two Ts are in memory: while a
// replaced T is still in use, no third one is loaded.
//
// All methods are safe for concurrent use.
type Live[T any] struct {
	ref      Ref
	follower *follow.Follower[T, *Model]
}

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
// and never twice at the same time. A panic in it counts as an error. Its
// context ends when the T is closed, at Close, which waits for load, and when
// the reference means another version before the T is in use. The next load
// begins when this one has returned.
func NewLive[T any](ctx context.Context, r *ModelRegistry, ref Ref, load func(context.Context, *Model) (T, error), opts *LiveOptions[T]) (*Live[T], error) {
	var o LiveOptions[T]
	if opts != nil {
		o = *opts
	}
	f, err := follow.New(ctx, o.config(r, ref, load))
	if err != nil {
		return nil, opError("serve", ref, err)
	}
	return &Live[T]{ref, f}, nil
}

// config returns the options for a follower, with their defaults.
func (o *LiveOptions[T]) config(r *ModelRegistry, ref Ref, load func(context.Context, *Model) (T, error)) follow.Config[T, *Model] {
	interval := cmp.Or(max(o.Interval, 0), DefaultInterval)
	w := r.watched(ref, interval)
	watcher := follow.Watcher[ModelVersion]{Source: w}
	retry := cmp.Or(max(o.Retry, 0), time.Second)
	most := o.MaxRetry
	if most <= 0 {
		most = max(5*time.Minute, retry)
	}
	log := o.Logger
	if log == nil {
		log = r.log
	}
	return follow.Config[T, *Model]{
		Poll: func(ctx context.Context) (follow.Version, bool, error) {
			v, changed, err := watcher.Poll(ctx)
			return versionOf(v), changed, err
		},
		UntilPoll:  func() time.Duration { return r.untilPoll(interval) },
		NotYet:     w.NotYet,
		Acceptable: w.acceptable,
		Fetch: func(ctx context.Context, v follow.Version, progress func(done, total int64)) (*Model, error) {
			at := ref.Name.At(v.Number)
			m, err := r.fetch(ctx, at, progress)
			return m, opError("get", at, err)
		},
		Verify: func(ctx context.Context, m *Model) error {
			return opError("get", m.Version.Ref(), r.checkDigests(ctx, m, nil))
		},
		VersionOf: func(m *Model) follow.Version { return versionOf(m.Version) },
		Load:      load,
		Check:     o.Check,
		Close:     o.Close,
		Retry:     retry,
		MaxRetry:  most,
		Wait:      o.Wait,
		Log:       log.With(slog.String("ref", ref.String())),
	}
}

func versionOf(v ModelVersion) follow.Version {
	return follow.Version{Number: v.Version, Digest: v.ManifestSHA256}
}

// Do calls fn with the current T and its version, and returns the error of fn.
// Neither may be used after fn has returned, because the T may be closed then.
// After Close, Do returns ErrClosed.
func (l *Live[T]) Do(fn func(value T, v *ModelVersion) error) error {
	i, users := l.follower.Acquire()
	if i == nil {
		return ErrClosed
	}
	defer i.Release(users)
	return fn(i.Value.Value, &i.Value.Files.Version)
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
	i, users := l.follower.Acquire()
	if i == nil {
		return Lease[T]{}, ErrClosed
	}
	return Lease[T]{item: i, users: users}, nil
}

// A Lease keeps a T open until Release. It must not be copied, which go vet
// reports, and its methods must not be called concurrently.
type Lease[T any] struct {
	_     noCopy
	item  *follow.Item[T, *Model]
	users *refcount.Counter
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Value returns the T, which stays the same until Release. It panics after
// Release.
func (l *Lease[T]) Value() T { return l.held().Value }

// Version returns the version that the T was loaded from, as it was at that
// time. The caller must not change it. Version panics after Release.
func (l *Lease[T]) Version() *ModelVersion { return &l.held().Files.Version }

func (l *Lease[T]) held() *follow.Loaded[T, *Model] {
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
	return opError("close", l.ref, l.follower.Shutdown(ctx))
}

// A LiveStatus is the state of a Live, for a health check.
type LiveStatus struct {
	Ref     Ref
	Version ModelVersion // the version in use
	Since   time.Time    // when it came into use

	// Wanted is the version that the reference means, empty if it means none.
	// If it is not Version, it is being loaded, waits to be loaded, or has
	// failed.
	Wanted string

	Loading      string    // the version that is being loaded, empty for none
	LoadingSince time.Time // when that load began, zero for none
	// Fetched is how many bytes of the files of Loading were downloaded, and
	// FetchTotal how many bytes they have. Both are 0 if there is no download,
	// because the files are on this machine or the store does not report it.
	// Bytes that another process downloads may count at the end only.
	Fetched, FetchTotal int64

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
	s := l.follower.Status()
	return LiveStatus{
		Ref: l.ref, Version: s.Files.Version, Since: s.Since, Wanted: s.Wanted,
		Loading: s.Loading, LoadingSince: s.LoadingSince, Fetched: s.Fetched, FetchTotal: s.FetchTotal,
		Draining: s.Draining, Failures: s.Failures, NextTry: s.NextTry,
		LastCheck: s.LastCheck, LastError: s.LastError, LastErrorAt: s.LastErrorAt,
	}
}

// MarshalJSON returns the status. Of Version it has only the number.
func (s LiveStatus) MarshalJSON() ([]byte, error) {
	var lastError *string
	if s.LastError != nil {
		text := s.LastError.Error()
		lastError = &text
	}
	return json.Marshal(struct {
		Ref          Ref     `json:"ref"`
		Version      string  `json:"version"`
		Since        *string `json:"since"`
		Wanted       string  `json:"wanted"`
		Loading      string  `json:"loading"`
		LoadingSince *string `json:"loading_since"`
		Fetched      int64   `json:"fetched_bytes"`
		FetchTotal   int64   `json:"fetch_total_bytes"`
		Draining     string  `json:"draining,omitempty"`
		Failures     int     `json:"failures"`
		NextTry      *string `json:"next_try"`
		LastCheck    *string `json:"last_check"`
		LastError    *string `json:"last_error"`
		LastErrorAt  *string `json:"last_error_at"`
	}{s.Ref, s.Version.Version, timeOrNull(s.Since), s.Wanted, s.Loading, timeOrNull(s.LoadingSince), s.Fetched, s.FetchTotal,
		s.Draining, s.Failures, timeOrNull(s.NextTry), timeOrNull(s.LastCheck), lastError, timeOrNull(s.LastErrorAt)})
}
