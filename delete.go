package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/timeline"
)

// KeepOptions go with Delete, Undelete, Hold, Unhold and DeleteModel. The zero
// value and nil are valid.
type KeepOptions struct {
	Actor  string // the person or program that makes the change; by default Options.Actor
	Reason string // the reason, for the history
	// Force lets Delete delete a version although it is protected. It does not
	// override a hold. The history records that it was needed.
	Force bool
}

func (r *ModelRegistry) keepOptions(opts *KeepOptions) (o KeepOptions) {
	if opts != nil {
		o = *opts
	}
	o.Actor = firstOf(o.Actor, r.opts.Actor)
	return o
}

// A DeletedError says who deleted a version, when and why. It matches
// ErrDeleted and ErrNotFound.
type DeletedError struct {
	Version string
	At      time.Time
	By      string    // empty if not given
	Reason  string    // empty if not given
	Purged  time.Time // when its files were given up; zero while Undelete is possible
}

func (e *DeletedError) Error() string {
	text := fmt.Sprintf("version %s: deleted at %s", e.Version, index.FormatTime(e.At))
	if e.By != "" {
		text += " by " + e.By
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Is reports whether the target is ErrDeleted, ErrNotFound or fs.ErrNotExist.
func (e *DeletedError) Is(target error) bool {
	return target == ErrDeleted || target == ErrNotFound || target == fs.ErrNotExist
}

// missing returns the error for a version that is not listed.
func missing(deletion func(version string) (index.Deletion, bool), version string) error {
	if d, ok := deletion(version); ok {
		return deletedError(d)
	}
	return notFound("version %s", version)
}

func deletedError(d index.Deletion) error {
	return &DeletedError{d.Version, d.At, d.By, d.Reason, d.Purged}
}

// Delete deletes a version. It is not listed any more, and GetModel fails with
// a *[DeletedError]. Its number is never given out again, and the history keeps
// its events. The files stay until Purge, so a program that has them open goes
// on, and Undelete lists the version again. A version that is deleted already
// stays so. If it never existed, the error matches ErrNotFound.
//
// The error matches ErrProtected, and gives the reason, if the version is in
// production, if Rollback would restore it, if an alias names it, if it is
// held, or if it has the highest number: Ubunye counts from the listed versions
// and would give that number again. A release counts as higher than every
// pre-release. KeepOptions.Force overrides all but a hold. ref must name a
// version by its number.
func (r *ModelRegistry) Delete(ctx context.Context, ref Ref, opts *KeepOptions) (err error) {
	o := r.keepOptions(opts)
	return r.changeExact(ctx, "delete", ref, func(t *txn) error {
		e := t.Get(ref.Version)
		if e == nil {
			if _, deleted := t.Deletion(ref.Version); deleted {
				return nil
			}
			return notFound("version %s", ref.Version)
		}
		why, held := t.Protections().Of(e)
		if why != "" && (held || !o.Force) {
			return fmt.Errorf("%w: %s", ErrProtected, why)
		}
		return t.Txn.Delete([]*index.Entry{e}, o.Actor, o.Reason, why != "")
	})
}

// Hold forbids the deletion of a version until Unhold: Delete, Retain and
// DeleteModel refuse it, and Force does not help. A version that is held stays
// as it is. ref must name a version by its number.
func (r *ModelRegistry) Hold(ctx context.Context, ref Ref, opts *KeepOptions) error {
	return r.setHold(ctx, "hold", ref, true, opts)
}

// Unhold ends a hold. A version that is not held stays as it is. ref must name
// a version by its number.
func (r *ModelRegistry) Unhold(ctx context.Context, ref Ref, opts *KeepOptions) error {
	return r.setHold(ctx, "unhold", ref, false, opts)
}

func (r *ModelRegistry) setHold(ctx context.Context, op string, ref Ref, hold bool, opts *KeepOptions) error {
	o := r.keepOptions(opts)
	return r.changeExact(ctx, op, ref, func(t *txn) error {
		e := t.Get(ref.Version)
		if e == nil {
			return missing(t.Deletion, ref.Version)
		}
		if _, held := e.Held(); held == hold {
			return nil
		}
		return t.SetHold(e, hold, o.Actor, o.Reason)
	})
}

// changeExact makes a change of a version that ref names by its number.
func (r *ModelRegistry) changeExact(ctx context.Context, op string, ref Ref, decide func(*txn) error) (err error) {
	defer func() { err = opError(op, ref, err) }()
	m, err := r.exactModel(ref)
	if err != nil {
		return err
	}
	_, err = m.change(ctx, func(t *txn) (string, error) {
		if t.Empty() {
			return "", notFound("model %s", ref.Name)
		}
		return ref.Version, decide(t)
	}, nil)
	return err
}

// exactModel returns the model of a reference that names a version by its
// number.
func (r *ModelRegistry) exactModel(ref Ref) (*model, error) {
	if ref.Version == "" || ref != ref.Name.At(ref.Version) {
		return nil, invalid("reference: want a version by its number, because a stage, an alias or a range may mean another one soon")
	}
	return r.model(ref.Name)
}

// Undelete lists a deleted version again, as it was before. If it was in
// production, it is archived. The time of its registration decides its place in
// the list. A version that is listed stays as it is, also if it is another one,
// to which Ubunye gave the number of the deleted version.
//
// The error matches ErrNotFound if there never was such a version. It matches
// ErrDeleted if its files were purged, or if the history that had its entry was
// lost, and ErrArtifact if the files are missing, as after a deletion by
// Ubunye, or differ from their digests. ref must name a version by its number.
func (r *ModelRegistry) Undelete(ctx context.Context, ref Ref, opts *KeepOptions) (err error) {
	defer func() { err = opError("undelete", ref, err) }()
	o := r.keepOptions(opts)
	m, err := r.exactModel(ref)
	if err != nil {
		return err
	}
	for range maxRechecks {
		if err = r.tryUndelete(ctx, m, ref, o); !errors.Is(err, errChanged) {
			break
		}
	}
	return err
}

// tryUndelete makes one attempt. It fails with errChanged if the version was
// deleted after the attempt began, or if no event said that it was deleted.
func (r *ModelRegistry) tryUndelete(ctx context.Context, m *model, ref Ref, o KeepOptions) error {
	before, err := m.deletion(ctx, ref.Version)
	if err != nil {
		return err
	}
	im, found, err := timeline.LastImage(ctx, m.Model, ref.Version)
	if err != nil {
		return timelineError(ref.Name, err)
	}
	if before != nil && found && before.Purged.IsZero() {
		if err := r.checkFiles(ctx, ref, im); err != nil {
			if now, readErr := m.deletion(ctx, ref.Version); readErr == nil && (now == nil || *now != *before) {
				return errChanged // it was purged, for example
			}
			return err
		}
	}
	unknown := false // another program deleted it, and this call records that
	_, err = m.change(ctx, func(t *txn) (string, error) {
		if t.Get(ref.Version) != nil {
			return ref.Version, nil
		}
		d, deleted := t.Deletion(ref.Version)
		switch {
		case !deleted:
			return "", notFound("version %s", ref.Version)
		case !d.Purged.IsZero():
			return "", fmt.Errorf("its files were purged at %s: %w", index.FormatTime(d.Purged), missing(t.Deletion, ref.Version))
		case !found:
			return "", fmt.Errorf("its entry is no longer in the history: %w", missing(t.Deletion, ref.Version))
		case before == nil:
			unknown = true
			return ref.Version, nil
		case d != *before:
			return "", errChanged
		}
		return ref.Version, t.Txn.Undelete(im, o.Actor, o.Reason)
	}, nil)
	if err == nil && unknown {
		return errChanged
	}
	return err
}

// deletion returns the record of a deleted version, or nil.
func (m *model) deletion(ctx context.Context, version string) (d *index.Deletion, err error) {
	err = m.read(ctx, func(s state) error {
		if found, ok := s.State.Deletion(version); ok {
			d = &found
		}
		return nil
	})
	return d, err
}

// checkFiles returns an error that matches ErrArtifact if the files of a
// deleted version are missing, or differ from their digests: Ubunye may have
// used its number, and failed after it had written over some of them.
func (r *ModelRegistry) checkFiles(ctx context.Context, ref Ref, im index.Image) error {
	x, err := index.ReadExtra(im.Extra)
	if err != nil {
		return err
	}
	_, err = r.manifests.VerifyTree(ctx, r.store, driver.Name(ref.Name), ref.Version, string(x.Manifest), nil)
	return err
}

// DeleteModel deletes all versions of a model, in one change. Models does not
// yield the model any more. The history stays readable by its name, and a later
// registration goes on with its numbers. A model without versions stays as it
// is.
//
// The error matches ErrProtected, and names a version, if one is in production,
// would be restored by Rollback, is named by an alias, or is held. There is no
// Force: delete such a version by itself first.
func (r *ModelRegistry) DeleteModel(ctx context.Context, name ModelName, opts *KeepOptions) (err error) {
	defer func() { err = opError("delete model", name.all(), err) }()
	o := r.keepOptions(opts)
	if o.Force {
		return invalid("options: Force is for single versions; delete those that are protected first")
	}
	m, err := r.model(name)
	if err != nil {
		return err
	}
	return m.changeExisting(ctx, func(t *txn) error {
		var all []*index.Entry
		protections := t.Protections()
		for e := range t.Entries() {
			if why, _ := protections.Of(e); why != "" && why != index.HighestNumber {
				return fmt.Errorf("%w: version %s: %s", ErrProtected, e.Version, why)
			}
			all = append(all, e)
		}
		if len(all) == 0 {
			return nil
		}
		return t.Txn.Delete(all, o.Actor, o.Reason, false)
	})
}
