package follow

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// A loop polls, starts loads and replaces the current T. Only its goroutine
// uses its own fields.
type loop[T any, F io.Closer] struct {
	*Follower[T, F]

	target   *Version    // the version that the reference means, nil for none
	loading  *load       // nil for none
	retiring *Item[T, F] // replaced, and not yet closed
	failures int         // of target, in a row
	nextTry  time.Time
	warned   bool // the log says that target waits for retiring

	loaded chan result[T, F]
	freed  chan struct{}
}

// first loads the first version. If the reference means another one before it
// is loaded, that is loaded instead.
func (l *loop[T, F]) first(ctx context.Context) error {
	for l.current.Peek() == nil {
		if err := l.awaitTarget(ctx); err != nil {
			return err
		}
		l.start(ctx)
		res := l.awaitLoad(ctx)
		switch cancelled := l.loadEnded(); {
		case cancelled && res.err == nil:
			l.discard(&res.item.Value)
		case cancelled:
		case res.err != nil && ctx.Err() == nil && l.target != nil && *l.target != res.v:
			l.failed(res, false) // the reference means another version by now
		case res.err != nil:
			return fmt.Errorf("version %s: %w", res.v.Number, res.err)
		default:
			l.replaceCurrent(res)
		}
	}
	return nil
}

// awaitTarget polls until the reference means a version.
func (l *loop[T, F]) awaitTarget(ctx context.Context) error {
	for l.target == nil {
		if err := l.poll(ctx); err != nil && !(l.cfg.Wait && l.cfg.NotYet(err)) {
			return err
		}
		if l.target != nil {
			break
		}
		// There is no version yet, or another program still copies its files.
		select {
		case <-time.After(l.cfg.UntilPoll()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// awaitLoad polls until the load in progress ends.
func (l *loop[T, F]) awaitLoad(ctx context.Context) result[T, F] {
	timer := time.NewTimer(l.cfg.UntilPoll())
	defer timer.Stop()
	for {
		select {
		case res := <-l.loaded:
			return res
		case <-timer.C:
			l.poll(ctx)
			timer.Reset(l.cfg.UntilPoll())
		}
	}
}

func (l *loop[T, F]) run(ctx context.Context) {
	defer close(l.ended)
	timer := time.NewTimer(l.cfg.UntilPoll())
	defer timer.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		if l.due() {
			l.start(ctx)
		} else if wait := time.Until(l.nextTry); wait > 0 {
			retry.Reset(wait)
		}
		select {
		case <-timer.C:
			l.poll(ctx)
			timer.Reset(l.cfg.UntilPoll())
		case res := <-l.loaded:
			l.finish(ctx, res)
		case <-l.freed:
			l.retiring = nil
			l.note(func(s *Status[F]) { s.Draining = "" })
		case <-retry.C:
		case <-ctx.Done():
		}
	}
	if l.loading != nil {
		l.finish(ctx, <-l.loaded)
	}
}

// poll asks for the version that the reference means, and updates target and
// the status. It cancels the load of a version that is not wanted any more.
func (l *loop[T, F]) poll(ctx context.Context) error {
	v, changed, err := l.cfg.Poll(ctx)
	if err != nil && ctx.Err() != nil && !l.cfg.NotYet(err) {
		return ctx.Err()
	}
	now := time.Now()
	l.note(func(s *Status[F]) {
		if err == nil || l.cfg.NotYet(err) {
			s.LastCheck = now
		}
		if !changed {
			return
		}
		s.Wanted, s.Failures, s.NextTry = v.Number, 0, time.Time{}
		if err != nil {
			s.LastError, s.LastErrorAt = err, now
		} else {
			s.LastError, s.LastErrorAt = nil, time.Time{}
		}
	})
	if !changed {
		l.dropLoad(ctx, false)
		return err
	}
	l.target, l.failures, l.nextTry = nil, 0, time.Time{}
	if err != nil {
		l.cfg.Log.Warn("model version not available", errorAttrs(err)...)
		return err
	}
	l.target = &v
	l.dropLoad(ctx, true)
	return nil
}

// serves reports whether a version is the current one.
func (l *loop[T, F]) serves(v Version) bool {
	i := l.current.Peek()
	return i != nil && i.Value.version == v
}

// due reports whether target has to be loaded now. It is false while the
// version before the current one is still in use.
func (l *loop[T, F]) due() bool {
	if l.loading != nil || l.target == nil || l.serves(*l.target) || time.Now().Before(l.nextTry) {
		return false
	}
	if l.retiring != nil {
		if !l.warned {
			l.warned = true
			l.cfg.Log.Warn("model not loaded yet: an older version is still in use", slog.String("version", l.target.Number),
				slog.String("older", l.retiring.Value.version.Number))
		}
		return false
	}
	return true
}

// finish makes the loaded version the current one, unless the reference means
// another one by now.
func (l *loop[T, F]) finish(ctx context.Context, res result[T, F]) {
	cancelled := l.loadEnded()
	wanted := l.target != nil && *l.target == res.v
	switch {
	case res.err != nil && ctx.Err() == nil && !cancelled:
		l.failed(res, wanted)
	case res.err != nil:
	case ctx.Err() == nil && !cancelled && (wanted || l.usable(ctx, res.v)):
		l.replaceCurrent(res)
	default:
		l.cfg.Log.Info("model loaded but no longer needed", slog.String("version", res.v.Number))
		l.discard(&res.item.Value)
	}
}

// acceptable reports whether a version may be used although the reference meant
// another one while it was loaded. The error says that this is not known.
func (l *loop[T, F]) acceptable(ctx context.Context, v Version) (bool, error) {
	if l.target == nil || l.serves(*l.target) {
		return false, nil
	}
	return l.cfg.Acceptable(ctx, v)
}

func (l *loop[T, F]) usable(ctx context.Context, v Version) bool {
	ok, err := l.acceptable(ctx, v)
	return ok && err == nil
}

func (l *loop[T, F]) failed(res result[T, F], wanted bool) {
	attrs := []any{slog.String("version", res.v.Number)}
	if wanted {
		l.failures++
		delay := min(l.cfg.Retry, l.cfg.MaxRetry)
		for range l.failures - 1 {
			delay = min(2*delay, l.cfg.MaxRetry)
		}
		l.nextTry = time.Now().Add(delay)
		l.note(func(s *Status[F]) {
			s.Failures, s.NextTry = l.failures, l.nextTry
			s.LastError, s.LastErrorAt = fmt.Errorf("version %s: %w", res.v.Number, res.err), time.Now()
		})
		attrs = append(attrs, slog.Int("failures", l.failures), slog.Duration("next_try", delay))
	}
	l.cfg.Log.Warn("model not loaded", append(attrs, errorAttrs(res.err)...)...)
}

// replaceCurrent makes the loaded T the current one. The previous T is closed
// when its last user is done.
func (l *loop[T, F]) replaceCurrent(res result[T, F]) {
	now := time.Now()
	l.failures, l.nextTry = 0, time.Time{}
	old := l.current.Replace(res.item)
	l.note(func(s *Status[F]) {
		s.Files, s.Since = res.item.Value.Files, now
		s.Failures, s.NextTry = 0, time.Time{}
		if s.Wanted == res.v.Number {
			s.LastError, s.LastErrorAt = nil, time.Time{}
		}
		if old != nil {
			s.Draining = old.Value.version.Number
		}
	})
	l.cfg.Log.Info("model in use", slog.String("version", res.v.Number), slog.Duration("took", res.took))
	if old == nil {
		return
	}
	l.retiring = old
	l.retirements.Go(func() {
		old.Wait()
		l.discard(&old.Value)
		l.freed <- struct{}{} // never blocks: no other T retires until this is received
	})
}
