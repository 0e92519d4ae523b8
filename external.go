package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/document"
)

// shared reports whether another program is known to change the model: the
// history has an import or an external change, or the document has one that is
// not recorded yet, or is damaged.
func (s *state) shared() bool { return s.External > 0 || s.Pending != nil || s.docErr != nil }

// changed reports whether a model may have changed since a revision. It looks
// for external changes too if external is true, if the options ask for it, and
// where that costs nothing.
func (r *ModelRegistry) changed(ctx context.Context, name ModelName, since driver.Revision, external bool) (bool, error) {
	if c, ok := r.store.(driver.ExternalChecker); ok && (external || r.opts.ExternalChanges) {
		return c.ChangedExternally(ctx, name.UseCase, name.Model, since)
	}
	return r.store.Changed(ctx, name.UseCase, name.Model, since)
}

// lookForChange is look for a change whose errors are decided without a commit:
// it looks for external changes too, as a commit does.
func (m *model) lookForChange(ctx context.Context, fn func(*state) error) error {
	return m.lookAlso(ctx, true, fn)
}

// replaces returns whether the document of an append may replace one that the
// append's view did not show. It may if that is a checkpoint of the same
// history that is not newer. An external change stays, for the next view to
// show.
func (t *txn) replaces() func(there []byte) bool {
	last := t.Base.Last + int64(len(t.Events)) // the base goes on once they are appended
	return func(there []byte) bool {
		at, ours := document.Position(there)
		return ours && at.Event <= last
	}
}
