package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/ubunye-go/modelregistry"
)

// deleteOwn deletes one of the worker's private versions, so that it writes if
// it succeeds. Half of the time it then undeletes one that it deleted, which is
// refused if a purge was first.
func (w *Worker) deleteOwn(ctx context.Context, token string) error {
	if len(w.private) == 0 {
		if err := w.registerPrivate(ctx, token+" first"); err != nil || len(w.private) == 0 {
			return err
		}
	}
	last := len(w.private) - 1
	version := w.private[last]
	w.private = w.private[:last]
	if err := w.delete(ctx, Line{Token: token, Version: version}, true); err != nil {
		return err
	}
	w.deleted = append(w.deleted, version)
	if rand.IntN(2) == 0 {
		return nil
	}
	i := rand.IntN(len(w.deleted))
	version = w.deleted[i]
	w.deleted = slices.Delete(w.deleted, i, i+1)
	return w.do(Line{Op: "undelete", Token: token + " again", Version: version}, func(l Line) (modelregistry.ModelVersion, error) {
		err := w.Registry.Undelete(ctx, w.Model.At(version), &modelregistry.KeepOptions{Reason: l.Token})
		if err == nil {
			w.private = append(w.private, version)
		}
		return modelregistry.ModelVersion{Version: version}, err
	})
}

// deleteShared deletes a random version that is not private.
func (w *Worker) deleteShared(ctx context.Context, token string) error {
	version, err := w.choose(ctx)
	if err != nil || version == "" {
		return err
	}
	return w.delete(ctx, Line{Token: token, Version: version, Shared: true}, rand.IntN(4) == 0)
}

func (w *Worker) delete(ctx context.Context, l Line, force bool) error {
	l.Op = "delete"
	return w.do(l, func(l Line) (modelregistry.ModelVersion, error) {
		return modelregistry.ModelVersion{Version: l.Version}, w.Registry.Delete(ctx, w.Model.At(l.Version), &modelregistry.KeepOptions{Reason: l.Token, Force: force})
	})
}

// purge purges all deleted versions. Another worker may be first.
func (w *Worker) purge(ctx context.Context, token string) error {
	l := Line{Op: "purge", Token: token, Shared: true}
	if err := w.begin(&l); err != nil {
		return err
	}
	report, err := w.Registry.Purge(ctx, w.Model, &modelregistry.PurgeOptions{Reason: token, Now: true, Apply: true})
	for _, p := range report.Versions {
		if p.Removed {
			l.Removed = append(l.Removed, p.Version)
		}
	}
	if errors.Is(err, modelregistry.ErrConflict) { // it is not a refusal: the clocks agree
		err = fmt.Errorf("purge: %v", err)
	}
	return w.end(l, err)
}

// Deletions applies the events in order and returns the versions that are
// deleted. The value is true for those that are purged. It fails if an event
// deletes a version that is deleted, or undeletes or purges one that is not, or
// that is purged.
func Deletions(events []Event) (map[string]bool, error) {
	now := map[string]bool{}
	for _, e := range events {
		for v, d := range e.Deleted {
			purged, deleted := now[v]
			if deleted == (e.Op == "delete") || purged {
				return nil, fmt.Errorf("event %d is the %s of %s, with deleted=%t and purged=%t before", e.Number, e.Op, v, deleted, purged)
			}
			if delete(now, v); d != nil {
				now[v] = d.Purged != ""
			}
		}
	}
	return now, nil
}

// checkDeletions compares deletions and purges with the notes. It fails if one
// that was acknowledged is missing.
func checkDeletions(events []Event, lines []Line) error {
	now, err := Deletions(events)
	if err != nil {
		return err
	}
	removes, ever := map[string][]string{}, map[string]bool{} // versions by the reason of the event; all of them
	for _, e := range events {
		removes[e.Reason] = e.Removed
		for _, v := range e.Removed {
			ever[v] = true
		}
	}
	var errs []error
	for _, l := range lines {
		if l.Phase != Done {
			continue
		}
		if l.Op == "delete" && (!ever[l.Version] || !l.Shared && !slices.Contains(removes[l.Token], l.Version)) {
			errs = append(errs, fmt.Errorf("%s %s of %s was acknowledged, but its event removes %q", l.Op, l.Token, l.Version, removes[l.Token]))
		}
		for _, v := range l.Removed {
			if !now[v] {
				errs = append(errs, fmt.Errorf("%s %s removed the files of %s, but the history does not call it purged", l.Op, l.Token, v))
			}
		}
	}
	return errors.Join(errs...)
}

// Kept checks that the files of each version that is not purged are as the
// history says, also those of deleted versions.
func Kept(model string, events []Event) error {
	deletions, err := Deletions(events)
	errs := []error{err}
	for version, digest := range Manifests(events) {
		if !deletions[version] {
			errs = append(errs, Whole(model, version, digest))
		}
	}
	return errors.Join(errs...)
}
