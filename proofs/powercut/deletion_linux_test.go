package powercut

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/ledger"
)

// removed checks that no version is back whose files a purge removed, and that
// was acknowledged before the cut.
func (s *site) removed() error {
	var errs []error
	for _, l := range s.lines {
		for _, v := range l.Removed {
			if l.Phase == ledger.Done && s.hasFolder(v) {
				errs = append(errs, fmt.Errorf("%s removed the files of %s, and they are back", l.Token, v))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *site) hasFolder(version string) bool {
	_, err := os.Lstat(filepath.Join(s.model(), "versions", version))
	return !errors.Is(err, fs.ErrNotExist)
}

// checkDeletions checks that only a version that the history calls purged lacks
// files, that readers know each deletion, and that the next purge removes what
// a purge under way left.
func (s *site) checkDeletions(ctx context.Context, r *mr.ModelRegistry, events []ledger.Event) error {
	errs := []error{ledger.Kept(s.model(), events)}
	deletions, err := ledger.Deletions(events)
	if err != nil {
		return err
	}
	_, err = r.Purge(ctx, modelName, &mr.PurgeOptions{Apply: true})
	errs = append(errs, err)
	for v, purged := range deletions {
		var deleted *mr.DeletedError
		if _, err := r.GetVersion(ctx, modelName.At(v)); !errors.As(err, &deleted) || deleted.Purged.IsZero() == purged {
			errs = append(errs, fmt.Errorf("%s is deleted, with purged=%t, and reading it gives %w", v, purged, err))
		}
		if s.hasFolder(v) == purged {
			errs = append(errs, fmt.Errorf("after the next purge %s is deleted, with purged=%t, and with a folder %t", v, purged, purged))
		}
	}
	return errors.Join(errs...)
}
