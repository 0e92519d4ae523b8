package follow

import (
	"context"
	"reflect"
	"regexp"

	"github.com/ubunye-go/modelregistry/driver"
)

// A Source is where a Watcher looks for the version that a reference means.
type Source[V any] interface {
	// Look reads what the reference means.
	Look(ctx context.Context) (Look[V], error)

	// Changed reports whether a model may have changed since a revision. shared
	// is that of the last look.
	Changed(ctx context.Context, since driver.Revision, shared bool) (bool, error)

	// Complete reports whether all files of a version are there. If it can't
	// tell yet, it reports false without an error.
	Complete(ctx context.Context, v V) (bool, error)

	// NotYet reports whether an error says that the reference means no version
	// with files now, although it may later.
	NotYet(err error) bool
}

// A Look is what a Source found.
type Look[V any] struct {
	Version  V
	Missing  error           // why the reference means no version, nil if it means one
	Revision driver.Revision // of the model
	Shared   bool            // another program is known to change the model
}

// A Watcher polls for the version that a reference means.
type Watcher[V any] struct {
	Source Source[V]

	seen    driver.Revision // the model's revision at the last conclusive poll; nil to read again
	shared  bool            // another program is known to change the model
	yielded *V              // the last version reported, nil if an error was reported since
	failed  string          // the last error reported, empty if a version was reported since
}

// Poll asks the source once. changed is true if it finds another version or
// another error than it reported last.
func (w *Watcher[V]) Poll(ctx context.Context) (v V, changed bool, err error) {
	if w.seen != nil {
		if changed, err := w.Source.Changed(ctx, w.seen, w.shared); err == nil && !changed {
			return v, false, nil
		}
	}
	w.seen = nil
	look, err := w.Source.Look(ctx)
	if err != nil {
		return w.report(v, err)
	}
	w.shared = look.Shared
	if look.Missing != nil {
		w.seen = look.Revision
		return w.report(v, look.Missing)
	}
	if w.yielded != nil && reflect.DeepEqual(*w.yielded, look.Version) {
		w.seen = look.Revision
		return look.Version, false, nil
	}
	complete, err := w.Source.Complete(ctx, look.Version)
	if err != nil {
		return w.report(v, err)
	}
	if !complete {
		return look.Version, false, nil
	}
	w.seen = look.Revision
	return w.report(look.Version, nil)
}

// report remembers the version or the error that Poll returns.
func (w *Watcher[V]) report(v V, err error) (V, bool, error) {
	if err != nil {
		text := w.failureText(err)
		changed := w.failed != text
		w.yielded, w.failed = nil, text
		return v, changed, err
	}
	w.yielded, w.failed = &v, ""
	return v, true, nil
}

// varying matches what may differ in the text of one error: a request's id, a
// time, a port.
var varying = regexp.MustCompile(`[\w+/=:.-]*\d[\w+/=:.-]*`)

// failureText returns the text by which an error is recognized at the next
// poll. Services give each of their errors another request id.
func (w *Watcher[V]) failureText(err error) string {
	if w.Source.NotYet(err) {
		return err.Error()
	}
	return varying.ReplaceAllString(err.Error(), "#")
}
