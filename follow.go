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

// A follower is the loop of a Live. Its own fields are the loop's alone.
type follower[T any] struct {
	*Live[T]

	want     *ModelVersion // what the reference means, nil for nothing
	loading  *ModelVersion
	retiring *item[T] // replaced, and not yet closed
	failures int      // of want, in a row
	nextTry  time.Time
	waited   bool // it was said that want waits for retiring

	loaded chan loaded[T]
	freed  chan struct{}
}

// loaded is how a load ended.
type loaded[T any] struct {
	item *item[T]
	v    ModelVersion
	took time.Duration
	err  error
}

// first loads the first version.
func (f *follower[T]) first(ctx context.Context) error {
	for {
		if err := f.look(ctx); err != nil {
			return err
		}
		if f.want != nil {
			break
		}
		select { // another program's version may be in the copying
		case <-time.After(f.r.untilLook(f.opts.Interval)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	res := f.loadVersion(ctx, *f.want)
	if res.err != nil {
		return fmt.Errorf("version %s: %w", res.v.Version, res.err)
	}
	f.takeUp(res)
	return nil
}

func (f *follower[T]) run(ctx context.Context) {
	defer close(f.ended)
	look := time.NewTimer(f.r.untilLook(f.opts.Interval))
	defer look.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		if f.due() {
			f.start(ctx)
		} else if wait := time.Until(f.nextTry); wait > 0 {
			retry.Reset(wait)
		}
		select {
		case <-look.C:
			f.look(ctx)
			look.Reset(f.r.untilLook(f.opts.Interval))
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

// look asks the registry for the version that the reference means.
func (f *follower[T]) look(ctx context.Context) error {
	v, news, err := f.watcher.poll(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := time.Now()
	f.note(func(s *LiveStatus) {
		if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrArtifact) || errors.Is(err, ErrConflict) {
			s.LastCheck = now
		}
		if !news {
			return
		}
		s.Wanted, s.Failures, s.NextTry = v.Version, 0, time.Time{}
		if err != nil {
			s.LastError, s.LastErrorAt = err, now
		} else {
			s.LastError, s.LastErrorAt = nil, time.Time{}
		}
	})
	if !news {
		return err
	}
	f.want, f.failures, f.nextTry = nil, 0, time.Time{}
	if err != nil {
		f.log.Warn("model not followed", errorAttrs(err)...)
		return err
	}
	f.want = &v
	return nil
}

// serves reports whether a version is the one in use.
func (f *follower[T]) serves(v *ModelVersion) bool {
	s := f.current.Peek()
	return s != nil && s.Value.version.Version == v.Version && s.Value.version.ManifestSHA256 == v.ManifestSHA256
}

// due reports whether there is something to load and room for it.
func (f *follower[T]) due() bool {
	if f.loading != nil || f.want == nil || f.serves(f.want) || time.Now().Before(f.nextTry) {
		return false
	}
	if f.retiring != nil {
		if !f.waited {
			f.waited = true
			f.log.Warn("model waits for the users of an older one", slog.String("version", f.want.Version),
				slog.String("older", f.retiring.Value.version.Version))
		}
		return false
	}
	return true
}

func (f *follower[T]) start(ctx context.Context) {
	v := *f.want
	f.loading, f.waited = &v, false
	f.note(func(s *LiveStatus) { s.Loading = true })
	go func() { f.loaded <- f.loadVersion(ctx, v) }()
}

// loadVersion makes a T of a version, verified and checked.
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

// finish uses the loaded version, unless another one is wanted by now.
func (f *follower[T]) finish(ctx context.Context, res loaded[T]) {
	f.loading = nil
	f.note(func(s *LiveStatus) { s.Loading = false })
	wanted := f.want != nil && f.want.Version == res.v.Version && f.want.ManifestSHA256 == res.v.ManifestSHA256
	switch {
	case res.err != nil && ctx.Err() == nil:
		f.failed(res, wanted)
	case res.err != nil:
	case ctx.Err() == nil && (wanted || f.acceptable(ctx, res.v)):
		f.takeUp(res)
	default:
		f.log.Info("model loaded and not wanted any more", slog.String("version", res.v.Version))
		f.discard(&res.item.Value)
	}
}

// acceptable reports whether a version that a range meant when its load began
// may be used, though the range means another one by now. Else one that is
// always late would never be used. A version that lost its stage is another
// matter: it was withdrawn.
func (f *follower[T]) acceptable(ctx context.Context, v ModelVersion) bool {
	if f.ref.Range == "" || f.want == nil || f.serves(f.want) {
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
	f.log.Warn("model not taken up", append(attrs, errorAttrs(res.err)...)...)
}

// takeUp makes the loaded T the current one. The one before is closed when its
// last user is done.
func (f *follower[T]) takeUp(res loaded[T]) {
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
	f.log.Info("model taken up", slog.String("version", res.v.Version), slog.Duration("took", res.took))
	if old == nil {
		return
	}
	f.retiring = old
	f.retirements.Go(func() {
		old.Wait()
		f.discard(&old.Value)
		f.freed <- struct{}{} // there is room: no other retires before this is taken
	})
}

// A panicError is a panic in a caller's function, as an error.
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

// contained calls a caller's function such that nothing that it does ends the
// calling goroutine.
func contained(what string, fn func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fmt.Errorf("%s: it called runtime.Goexit", what)
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
