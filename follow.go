package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ubunye-go/modelregistry/internal/refcount"
)

// A follower is the loop of a Live. Only the loop uses its own fields.
type follower[T any] struct {
	*Live[T]

	target   *ModelVersion // the version that the reference means, nil for none
	loading  *ModelVersion
	retiring *item[T] // replaced, and not yet closed
	failures int      // of target, in a row
	nextTry  time.Time
	warned   bool // the log says that target waits for retiring

	loaded chan loaded[T]
	freed  chan struct{}
}

// loaded is the result of a load.
type loaded[T any] struct {
	item *item[T]
	v    ModelVersion
	took time.Duration
	err  error
}

// first loads the first version.
func (f *follower[T]) first(ctx context.Context) error {
	for {
		if err := f.poll(ctx); err != nil && !(f.opts.Wait && notYet(err)) {
			return err
		}
		if f.target != nil {
			break
		}
		// There is no version yet, or another program still copies its files.
		select {
		case <-time.After(f.r.untilPoll(f.opts.Interval)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	res := f.loadVersion(ctx, *f.target)
	if res.err != nil {
		return fmt.Errorf("version %s: %w", res.v.Version, res.err)
	}
	f.replaceCurrent(res)
	return nil
}

func (f *follower[T]) run(ctx context.Context) {
	defer close(f.ended)
	timer := time.NewTimer(f.r.untilPoll(f.opts.Interval))
	defer timer.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		if f.due() {
			f.start(ctx)
		} else if wait := time.Until(f.nextTry); wait > 0 {
			retry.Reset(wait)
		}
		select {
		case <-timer.C:
			f.poll(ctx)
			timer.Reset(f.r.untilPoll(f.opts.Interval))
		case res := <-f.loaded:
			f.finish(ctx, res)
		case <-f.freed:
			f.retiring = nil
			f.note(func(s *LiveStatus) { s.Draining = "" })
		case <-retry.C:
		case <-ctx.Done():
		}
	}
	if f.loading != nil {
		f.finish(ctx, <-f.loaded)
	}
}

// poll asks the registry for the version that the reference means, and updates
// target and the status.
func (f *follower[T]) poll(ctx context.Context) error {
	v, changed, err := f.watcher.poll(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := time.Now()
	f.note(func(s *LiveStatus) {
		if err == nil || notYet(err) {
			s.LastCheck = now
		}
		if !changed {
			return
		}
		s.Wanted, s.Failures, s.NextTry = v.Version, 0, time.Time{}
		if err != nil {
			s.LastError, s.LastErrorAt = err, now
		} else {
			s.LastError, s.LastErrorAt = nil, time.Time{}
		}
	})
	if !changed {
		return err
	}
	f.target, f.failures, f.nextTry = nil, 0, time.Time{}
	if err != nil {
		f.log.Warn("model version not available", errorAttrs(err)...)
		return err
	}
	f.target = &v
	return nil
}

// notYet reports whether an error says that the reference means no version with
// files now, although it may later.
func notYet(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrArtifact) || errors.Is(err, ErrConflict)
}

// serves reports whether a version is the current one.
func (f *follower[T]) serves(v *ModelVersion) bool {
	s := f.current.Peek()
	return s != nil && s.Value.version.Version == v.Version && s.Value.version.ManifestSHA256 == v.ManifestSHA256
}

// due reports whether target has to be loaded now. It is false while the
// version before the current one is still in use.
func (f *follower[T]) due() bool {
	if f.loading != nil || f.target == nil || f.serves(f.target) || time.Now().Before(f.nextTry) {
		return false
	}
	if f.retiring != nil {
		if !f.warned {
			f.warned = true
			f.log.Warn("model not loaded yet: an older version is still in use", slog.String("version", f.target.Version),
				slog.String("older", f.retiring.Value.version.Version))
		}
		return false
	}
	return true
}

func (f *follower[T]) start(ctx context.Context) {
	v := *f.target
	f.loading, f.warned = &v, false
	f.note(func(s *LiveStatus) { s.Loading = true })
	go func() { f.loaded <- f.loadVersion(ctx, v) }()
}

// loadVersion verifies the files of a version, loads a T from them and checks
// it.
func (f *follower[T]) loadVersion(ctx context.Context, v ModelVersion) loaded[T] {
	start := time.Now()
	i := refcount.NewItem(served[T]{})
	s := &i.Value
	err := func() (err error) {
		if s.model, err = f.r.GetModel(ctx, v.Ref(), &GetOptions{Verify: true}); err != nil {
			return err
		}
		s.version = s.model.Version
		err = contained("loading it", func() (err error) {
			s.value, err = f.load(ctx, s.model)
			return err
		})
		if err != nil {
			return errors.Join(err, s.model.Close())
		}
		if f.opts.Check == nil {
			return nil
		}
		err = contained("checking it", func() error { return f.opts.Check(ctx, s.value) })
		if err != nil {
			return errors.Join(fmt.Errorf("warm-up: %w", err), f.discard(s))
		}
		return nil
	}()
	return loaded[T]{item: i, v: v, took: time.Since(start), err: err}
}

// finish makes the loaded version the current one, unless the reference means
// another one by now.
func (f *follower[T]) finish(ctx context.Context, res loaded[T]) {
	f.loading = nil
	f.note(func(s *LiveStatus) { s.Loading = false })
	wanted := f.target != nil && f.target.Version == res.v.Version && f.target.ManifestSHA256 == res.v.ManifestSHA256
	switch {
	case res.err != nil && ctx.Err() == nil:
		f.failed(res, wanted)
	case res.err != nil:
	case ctx.Err() == nil && (wanted || f.acceptable(ctx, res.v)):
		f.replaceCurrent(res)
	default:
		f.log.Info("model loaded but no longer needed", slog.String("version", res.v.Version))
		f.discard(&res.item.Value)
	}
}

// acceptable reports whether a version may be used although its range matched a
// higher one while it was loaded. Otherwise a slow load could be overtaken
// every time. It is false for a stage: a version that lost its stage was
// withdrawn.
func (f *follower[T]) acceptable(ctx context.Context, v ModelVersion) bool {
	if f.ref.Range == "" || f.target == nil || f.serves(f.target) {
		return false
	}
	now, err := f.r.GetVersion(ctx, v.Ref())
	return err == nil && now.Stage != Archived
}

func (f *follower[T]) failed(res loaded[T], wanted bool) {
	attrs := []any{slog.String("version", res.v.Version)}
	if wanted {
		f.failures++
		delay := min(f.opts.Retry, f.opts.MaxRetry)
		for range f.failures - 1 {
			delay = min(2*delay, f.opts.MaxRetry)
		}
		f.nextTry = time.Now().Add(delay)
		f.note(func(s *LiveStatus) {
			s.Failures, s.NextTry = f.failures, f.nextTry
			s.LastError, s.LastErrorAt = fmt.Errorf("version %s: %w", res.v.Version, res.err), time.Now()
		})
		attrs = append(attrs, slog.Int("failures", f.failures), slog.Duration("next_try", delay))
	}
	f.log.Warn("model not loaded", append(attrs, errorAttrs(res.err)...)...)
}

// replaceCurrent makes the loaded T the current one. The previous T is closed
// when its last user is done.
func (f *follower[T]) replaceCurrent(res loaded[T]) {
	now := time.Now()
	f.failures, f.nextTry = 0, time.Time{}
	res.item.Value.since = now
	old := f.current.Replace(res.item)
	f.note(func(s *LiveStatus) {
		s.Version, s.Since = res.item.Value.version, now
		s.Failures, s.NextTry = 0, time.Time{}
		if s.Wanted == res.v.Version {
			s.LastError, s.LastErrorAt = nil, time.Time{}
		}
		if old != nil {
			s.Draining = old.Value.version.Version
		}
	})
	f.log.Info("model in use", slog.String("version", res.v.Version), slog.Duration("took", res.took))
	if old == nil {
		return
	}
	f.retiring = old
	f.retirements.Go(func() {
		old.Wait()
		f.discard(&old.Value)
		f.freed <- struct{}{} // never blocks: no other T retires until this is received
	})
}

// A panicError is the error for a panic in a caller's function.
type panicError struct {
	what  string
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.what, e.value) }

func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// contained calls a caller's function in a goroutine of its own. It returns a
// panic or a call of runtime.Goexit as an error.
func contained(what string, fn func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fmt.Errorf("%s: the function called runtime.Goexit", what)
		defer func() {
			if p := recover(); p != nil {
				err = &panicError{what: what, value: p, stack: debug.Stack()}
			}
		}()
		err = fn()
	}()
	<-done
	return err
}

func errorAttrs(err error) []any {
	attrs := []any{slog.Any("error", err)}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	return attrs
}
