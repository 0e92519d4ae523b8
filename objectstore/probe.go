package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	mr "github.com/ubunye-go/modelregistry"
)

// checkBucket checks once that the bucket exists. Without the check, a missing
// bucket would look like a missing object.
func (s *Store) checkBucket(ctx context.Context) error {
	return s.checkBucketBy(func() error {
		_, err := s.list(ctx, "", true, 1)
		return err
	})
}

// checkBucketBy is checkBucket that uses a listing which the caller needs
// anyway.
func (s *Store) checkBucketBy(list func() error) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return fs.ErrClosed
	}
	return s.ready.do(func() error {
		err := list()
		var failed *Error
		if errors.As(err, &failed) && missing(err) && !denied(err) && !wrongRegion(err) && !errors.Is(err, ErrNoBucket) {
			failed.Err = fmt.Errorf("%w: %w", ErrNoBucket, failed.Err)
		}
		return err
	})
}

// checkPrefix checks once that the prefix is a registry's, or unused, and that
// the bucket supports conditions: creating the marker a second time must fail.
func (s *Store) checkPrefix(ctx context.Context) error {
	return s.writable.do(func() error {
		if err := s.notOnFiles(ctx); err != nil {
			return err
		}
		found, err := s.get(ctx, markerName)
		unmarked := errors.Is(err, fs.ErrNotExist)
		switch {
		case unmarked:
			if err := s.unclaimed(ctx); err != nil {
				// Another process may have started a registry since.
				if found, getErr := s.get(ctx, markerName); getErr != nil || string(found) != marker {
					return err
				}
			}
		case err != nil:
			return err
		case string(found) != marker:
			return &Error{"open", s.prefix + markerName, fmt.Errorf("%w: it contains %.100q", ErrForeign, found)}
		}
		for range 2 { // the first attempt may create the marker
			err := s.createMarker(ctx)
			if err == nil {
				continue
			}
			if lost(err) {
				return nil
			}
			if s.refusesCondition(ctx, err) {
				err = &Error{"open", s.prefix + markerName, fmt.Errorf("%w: %w", ErrNotConditional, err)}
				if unmarked {
					err = errors.Join(err, s.remove(ctx, markerName))
				}
				return err
			}
			return fail("put", s.prefix+markerName, err)
		}
		err = &Error{"open", s.prefix + markerName, fmt.Errorf("%w: it was created twice", ErrNotConditional)}
		return errors.Join(err, s.remove(ctx, markerName))
	})
}

// refusesCondition reports whether the condition is the reason that the service
// refused to create the marker: without it, the service writes the marker. The
// marker's bytes are always the same.
func (s *Store) refusesCondition(ctx context.Context, err error) bool {
	code := status(err)
	if codeOf(err) != gcerrors.Unimplemented && code != http.StatusNotImplemented && code != http.StatusBadRequest {
		return false
	}
	return s.put(ctx, markerName, []byte(marker), blob.WriterOptions{}) == nil
}

// createMarker tries again only while the outcome is unknown. It stops at a
// success, because a second success shows that the bucket ignores conditions.
func (s *Store) createMarker(ctx context.Context) error {
	return retry(ctx, func() error {
		return s.tryPut(ctx, markerName, []byte(marker), blob.WriterOptions{IfNotExist: true})
	})
}

// notOnFiles refuses gocloud.dev's bucket in a folder, whose conditions let
// several writers win. Its errors identify it.
func (s *Store) notOnFiles(ctx context.Context) error {
	r, err := s.bucket.NewReader(ctx, s.prefix+".modelregistry-absent", s.downloadOptions())
	if err == nil {
		return r.Close()
	}
	var onFiles *fs.PathError
	if s.bucket.ErrorAs(err, &onFiles) {
		return &Error{"open", s.prefix, fmt.Errorf("%w: it is a folder; modelregistry.Open is for folders", ErrNotConditional)}
	}
	return nil
}

// unclaimed checks that there is nothing under the prefix, or only what looks
// like a registry that was copied there: use cases, and models below them.
func (s *Store) unclaimed(ctx context.Context) error {
	useCases, err := s.list(ctx, "", false, 0)
	if err != nil {
		return err
	}
	for i, useCase := range useCases {
		if !useCase.dir || mr.ModelName.Validate(mr.ModelName{UseCase: strings.TrimSuffix(useCase.key, "/"), Model: "m"}) != nil {
			return foreign(s.prefix + useCase.key)
		}
		if i > 0 {
			continue // one key is enough to decide
		}
		models, err := s.list(ctx, useCase.key, false, 0)
		if err != nil {
			return err
		}
		for _, model := range models {
			if !model.dir {
				return foreign(s.prefix + model.key)
			}
		}
		if len(models) == 0 {
			continue
		}
		there, err := s.exists(ctx, models[0].key+documentName)
		if err != nil {
			return err
		}
		if !there {
			return foreign(s.prefix + models[0].key)
		}
	}
	return nil
}

func foreign(key string) error {
	return &Error{"open", key, fmt.Errorf("%w: it does not belong to a registry", ErrForeign)}
}
