package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ubunye-go/modelregistry/internal/refcount"
)

// A load is a version that is being loaded.
type load struct {
	version   Version
	cancel    context.CancelFunc
	cancelled bool // by the loop, because the version is not wanted any more
}

// A result is what a load made.
type result[T any, F io.Closer] struct {
	item *Item[T, F]
	v    Version
	took time.Duration
	err  error
}

func (l *loop[T, F]) start(ctx context.Context) {
	v := *l.target
	ctx, cancel := context.WithCancel(ctx)
	l.loading, l.warned = &load{version: v, cancel: cancel}, false
	l.note(func(s *Status[F]) { s.Loading, s.LoadingSince = v.Number, time.Now() })
	go func() { l.loaded <- l.loadVersion(ctx, cancel, v) }()
}

// loadEnded notes that no load is in progress. It reports whether the load was
// cancelled. Then its T must not be used, because its context has ended.
func (l *loop[T, F]) loadEnded() (cancelled bool) {
	cancelled = l.loading.cancelled
	l.loading = nil
	l.note(func(s *Status[F]) { s.Loading, s.LoadingSince, s.Fetched, s.FetchTotal = "", time.Time{}, 0, 0 })
	return cancelled
}

// loadVersion fetches the files of a version, loads a T from them and checks
// it. The context of a T that is used ends when the T is closed.
func (l *loop[T, F]) loadVersion(ctx context.Context, cancel context.CancelFunc, v Version) result[T, F] {
	start := time.Now()
	i := refcount.NewItem(Loaded[T, F]{cancel: cancel})
	err := l.fill(ctx, &i.Value, v)
	if err != nil {
		cancel()
	}
	return result[T, F]{item: i, v: v, took: time.Since(start), err: err}
}

// fill is loadVersion into x. If it fails, it leaves nothing open.
func (l *loop[T, F]) fill(ctx context.Context, x *Loaded[T, F], v Version) (err error) {
	x.Files, err = l.cfg.Fetch(ctx, v, l.fetched)
	l.note(func(s *Status[F]) { s.moved = time.Time{} })
	if err != nil {
		return err
	}
	x.version = l.cfg.VersionOf(x.Files)
	if err := l.cfg.Verify(ctx, x.Files); err != nil {
		return errors.Join(err, x.Files.Close())
	}
	err = contained("loading it", func() (err error) {
		x.Value, err = l.cfg.Load(ctx, x.Files)
		return err
	})
	if err != nil {
		return errors.Join(err, x.Files.Close())
	}
	if l.cfg.Check == nil {
		return nil
	}
	err = contained("checking it", func() error { return l.cfg.Check(ctx, x.Value) })
	if err != nil {
		return errors.Join(fmt.Errorf("warm-up: %w", err), l.discard(x))
	}
	return nil
}

// fetched notes how far a download has come.
func (l *loop[T, F]) fetched(done, total int64) {
	l.note(func(s *Status[F]) {
		if done != s.Fetched || total != s.FetchTotal {
			s.Fetched, s.FetchTotal, s.moved = done, total, time.Now()
		}
	})
}

// stalledAfter is how long a download may stand still while the reference means
// a later version.
const stalledAfter = time.Minute

// dropLoad cancels the load in progress if the reference means another version
// and the T would not be used. A load whose T would be used is only cancelled
// if its download stands still. It must not keep the later version waiting for
// ever.
func (l *loop[T, F]) dropLoad(ctx context.Context, changed bool) {
	if l.loading == nil || l.loading.cancelled || l.target == nil || *l.target == l.loading.version {
		return
	}
	dropped := l.stalled()
	if changed && !dropped {
		usable, err := l.acceptable(ctx, l.loading.version)
		dropped = err == nil && !usable
	}
	if dropped {
		l.cfg.Log.Info("load ended: another version is wanted", slog.String("version", l.loading.version.Number),
			slog.String("wanted", l.target.Number))
		l.loading.cancelled = true
		l.loading.cancel()
	}
}

// stalled reports whether a download stands still.
func (l *loop[T, F]) stalled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.status.moved.IsZero() && time.Since(l.status.moved) > stalledAfter
}
