package modelregistry

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// DefaultInterval is how often Watch and Live poll the registry by default.
const DefaultInterval = time.Second

// WatchOptions say how to watch. The zero value and nil serve.
type WatchOptions struct {
	// Interval is the time between two polls; 0 is DefaultInterval.
	Interval time.Duration
}

func (o *WatchOptions) interval() time.Duration {
	if o == nil || o.Interval <= 0 {
		return DefaultInterval
	}
	return o.Interval
}

// Watch yields the version that a reference means, and then again whenever that
// is another one or its entry changes, until the context ends or the loop is
// left.
//
//   - A change is yielded by the interval and 50 ms after it happened, in
//     whichever process it was made. Changes that come quicker, or while the
//     loop's body runs, may be taken together; the last one is always yielded.
//   - A version is yielded once its artifact is complete: every file of its
//     manifest is there with its size. Digests are not checked; GetModel does
//     that when asked to. Of a version that another program registered, without
//     a manifest, it is complete when its files have not changed for an
//     interval.
//   - An error is yielded once, not at each look, and the watch goes on:
//     nothing is in that stage (ErrNotFound), the files are not there yet
//     (ErrArtifact), the disk failed. When it is over, the version is yielded,
//     even if it is the one before the error. Only a reference that is invalid
//     and a registry that is closed end the iteration with their error; the end
//     of the context ends it without one.
//
// A look at a model that did not change reads no file: on a folder it costs a
// stat of each history.jsonl and registry.json, on another store whatever its
// Changed costs.
func (r *ModelRegistry) Watch(ctx context.Context, ref Ref, opts *WatchOptions) iter.Seq2[ModelVersion, error] {
	interval := opts.interval()
	return func(yield func(ModelVersion, error) bool) {
		w := &watcher{r: r, ref: ref, interval: interval}
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			v, news, err := w.poll(ctx)
			if ctx.Err() != nil {
				return
			}
			if news && !yield(v, opError("watch", ref, err)) || terminal(err) {
				return
			}
			timer.Reset(r.untilLook(interval))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// untilLook returns how long it is to the next look. All that look equally
// often do so at once: a thousand wakings of an idle processor cost far more
// than a thousand stats.
func (r *ModelRegistry) untilLook(interval time.Duration) time.Duration {
	return interval - time.Since(r.opened)%interval
}

// terminal reports whether no later poll can succeed.
func terminal(err error) bool { return errors.Is(err, ErrInvalid) || errors.Is(err, ErrClosed) }

// A watcher polls for the version that a reference means.
type watcher struct {
	r        *ModelRegistry
	ref      Ref
	interval time.Duration

	seen   driver.Revision // of the model, as of the last look that came to something
	shared bool            // with other programs, as of the last look
	have   *ModelVersion   // the version that was told last, if no error was told since
	failed string          // the error that was told last, if no version was told since
	files  treeLook        // what was seen of a version's files that have no manifest
}

// poll looks once. It reports true if it finds another version, or another
// error, than the one that it yielded last.
func (w *watcher) poll(ctx context.Context) (v ModelVersion, news bool, err error) {
	m, err := w.r.model(w.ref.Name)
	if err == nil {
		err = w.ref.check()
	}
	if err != nil {
		return w.tell(v, err)
	}
	if w.seen != nil {
		if changed, err := m.Changed(ctx, w.seen, w.shared); err == nil && !changed {
			return v, false, nil
		}
	}
	w.seen = nil
	var seen driver.Revision
	absent := false
	err = m.read(ctx, func(s state) error {
		e, err := w.ref.find(s)
		w.shared = s.Shared()
		if seen, absent = s.Revision, err != nil; err == nil {
			v = s.view(e)
		}
		return err
	})
	switch {
	case absent:
		w.seen = seen
	case err == nil && w.have != nil && reflect.DeepEqual(*w.have, v):
		w.seen = seen
		return v, false, nil
	case err == nil:
		settled, filesErr := w.complete(ctx, v)
		if err = filesErr; err == nil && !settled {
			return v, false, nil
		}
		if err == nil {
			w.seen = seen
		}
	}
	return w.tell(v, err)
}

// tell notes what the caller gets.
func (w *watcher) tell(v ModelVersion, err error) (ModelVersion, bool, error) {
	if err != nil {
		news := w.failed != err.Error()
		w.have, w.failed = nil, err.Error()
		return ModelVersion{}, news, err
	}
	w.have, w.failed, w.files = &v, "", treeLook{}
	return v, true, nil
}
