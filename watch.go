package modelregistry

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/follow"
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
//     changed for an interval. Nothing is downloaded: in a bucket, the files
//     that have a manifest count as complete, because it is uploaded last.
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
		w := follow.Watcher[ModelVersion]{Source: r.watched(ref, interval)}
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			v, changed, err := w.Poll(ctx)
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

// A watched is a reference that is polled.
type watched struct {
	r     *ModelRegistry
	ref   Ref
	files artifact.Completeness
}

func (r *ModelRegistry) watched(ref Ref, interval time.Duration) *watched {
	files := artifact.Completeness{Manifests: &r.manifests, Store: r.store, Model: driver.Name(ref.Name), Settle: interval}
	return &watched{r, ref, files}
}

// Look reads the version that the reference means.
func (w *watched) Look(ctx context.Context) (look follow.Look[ModelVersion], err error) {
	m, err := w.r.model(w.ref.Name)
	if err == nil {
		err = w.ref.check()
	}
	if err != nil {
		return look, err
	}
	err = m.read(ctx, func(s state) error {
		look = follow.Look[ModelVersion]{Revision: s.Revision, Shared: s.Shared()}
		look.Version, look.Missing = w.ref.in(s)
		return nil
	})
	return look, err
}

// Changed reports whether the model may have changed since a look.
func (w *watched) Changed(ctx context.Context, since driver.Revision, shared bool) (bool, error) {
	m, err := w.r.model(w.ref.Name)
	if err != nil {
		return false, err
	}
	return m.Changed(ctx, since, shared)
}

// Complete reports whether all files of a version are there.
func (w *watched) Complete(ctx context.Context, v ModelVersion) (bool, error) {
	return w.files.Check(ctx, v.Version, v.ManifestSHA256)
}

// NotYet reports whether an error says that the reference means no version with
// files now, although it may later.
func (w *watched) NotYet(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrArtifact) || errors.Is(err, ErrConflict)
}

// acceptable reports whether a version may be served although its range matched
// a higher one while it was loaded. Otherwise a slow load could be overtaken
// every time. It is false for a stage: a version that lost its stage was
// withdrawn.
func (w *watched) acceptable(ctx context.Context, v follow.Version) (bool, error) {
	if w.ref.Range == "" {
		return false, nil
	}
	now, err := w.r.GetVersion(ctx, w.ref.Name.At(v.Number))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return now.Stage != Archived, err
}
