package modelregistry

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"regexp"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
)

// DefaultInterval is how often Watch and Live poll the registry by default.
const DefaultInterval = time.Second

// WatchOptions go with Watch. The zero value and nil are valid.
type WatchOptions struct {
	// Interval is the time between two polls; 0 means DefaultInterval.
	Interval time.Duration
}

func (o *WatchOptions) interval() time.Duration {
	if o == nil || o.Interval <= 0 {
		return DefaultInterval
	}
	return o.Interval
}

// Watch yields the version that a reference means. It yields again whenever the
// reference means another version or the version's entry changes. It ends with
// the context or when the caller leaves the loop.
//
//   - A change is yielded within the interval and 50 ms, whichever process made
//     it. Of several changes within an interval, or while the loop's body runs,
//     some may be skipped. The last one is always yielded.
//   - A version is yielded when its artifact is complete: every file of its
//     manifest is there with its size. Digests are not checked: see
//     GetOptions.Verify. If another program registered the version, there is no
//     manifest; the artifact then counts as complete when its files have not
//     changed for an interval.
//   - An error is yielded once and not at each poll, and the watch goes on. For
//     example, no version is in that stage (ErrNotFound), or the files are not
//     there yet (ErrArtifact). When the error is over, the version is yielded,
//     even if it is the one before the error. ErrInvalid and ErrClosed end the
//     iteration. The end of the context ends it without an error.
//
// A poll of an unchanged model reads no file. In a folder it costs a stat of
// history.jsonl and one of registry.json, and in another store a call of its
// Changed.
func (r *ModelRegistry) Watch(ctx context.Context, ref Ref, opts *WatchOptions) iter.Seq2[ModelVersion, error] {
	interval := opts.interval()
	return func(yield func(ModelVersion, error) bool) {
		w := &watcher{r: r, ref: ref, interval: interval}
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			v, changed, err := w.poll(ctx)
			if ctx.Err() != nil {
				return
			}
			if changed && !yield(v, opError("watch", ref, err)) || terminal(err) {
				return
			}
			timer.Reset(r.untilPoll(interval))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// untilPoll returns the time until the next poll. All polls of one interval
// happen at the same moments, because waking an idle processor a thousand times
// costs far more than a thousand stats.
func (r *ModelRegistry) untilPoll(interval time.Duration) time.Duration {
	return interval - time.Since(r.opened)%interval
}

// terminal reports whether no later poll can succeed.
func terminal(err error) bool { return errors.Is(err, ErrInvalid) || errors.Is(err, ErrClosed) }

// A watcher polls for the version that a reference means.
type watcher struct {
	r        *ModelRegistry
	ref      Ref
	interval time.Duration

	seen    driver.Revision // the model's revision at the last conclusive poll; nil to read again
	shared  bool            // another program is known to change the model
	yielded *ModelVersion   // the last version reported, nil if an error was reported since
	failed  string          // the last error reported, empty if a version was reported since
	files   treeListing     // the last listing of the files of a version without a manifest
}

// poll asks the registry once. changed is true if it finds another version or
// another error than it reported last.
func (w *watcher) poll(ctx context.Context) (v ModelVersion, changed bool, err error) {
	m, err := w.r.model(w.ref.Name)
	if err == nil {
		err = w.ref.check()
	}
	if err != nil {
		return w.report(v, err)
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
	case err == nil && w.yielded != nil && reflect.DeepEqual(*w.yielded, v):
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
	return w.report(v, err)
}

// report remembers the version or the error that poll returns.
func (w *watcher) report(v ModelVersion, err error) (ModelVersion, bool, error) {
	if err != nil {
		text := failureText(err)
		changed := w.failed != text
		w.yielded, w.failed = nil, text
		return ModelVersion{}, changed, err
	}
	w.yielded, w.failed, w.files = &v, "", treeListing{}
	return v, true, nil
}

// varying matches what may differ in the text of one error: a request's id, a
// time, a port.
var varying = regexp.MustCompile(`[\w+/=:.-]*\d[\w+/=:.-]*`)

// failureText returns the text by which an error is recognized at the next
// poll. Services give each of their errors another request id.
func failureText(err error) string {
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrArtifact) || errors.Is(err, ErrConflict) {
		return err.Error()
	}
	return varying.ReplaceAllString(err.Error(), "#")
}
