package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore/internal/s3service"
)

// S3 keeps the parts of a large file until its upload is completed or aborted.
// No listing of objects shows them. A process that is killed can do neither.
// GCS and Azure remove such parts by themselves after a week.

// SweepAll sweeps all models. It also removes the parts of large files from
// registrations that died before their model was made. It goes on after an
// error, and returns all errors.
func (s *Store) SweepAll(ctx context.Context, opts *SweepOptions) (all []Swept, err error) {
	o := opts.orDefault()
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	unfinished, err := s.unfinished(ctx, "", o)
	if err != nil {
		return nil, err
	}
	byName := map[mr.ModelName][]s3service.Upload{}
	for _, u := range unfinished {
		if name, ok := modelOf(u.Key); ok {
			u.Key = strings.TrimPrefix(u.Key, modelKey(name, ""))
			byName[name] = append(byName[name], u)
		}
	}
	var errs []error
	swept := func(done []Swept, err error) { all, errs = append(all, done...), append(errs, err) }
	unlisted := false
	for name, err := range s.Models(ctx) {
		name := mr.ModelName(name)
		if err != nil {
			swept(nil, err)
			unlisted = true
			continue
		}
		swept(s.sweep(ctx, name, o, byName[name]))
		delete(byName, name)
	}
	if unlisted { // the other names may be models
		return all, errors.Join(errs...)
	}
	for _, name := range sortedNames(byName) {
		uploads, err := s.uploads(ctx, name)
		if err != nil {
			swept(nil, err)
			continue
		}
		swept(s.sweepUnfinished(ctx, name, o, byName[name], uploads))
	}
	return all, errors.Join(errs...)
}

func sortedNames[V any](m map[mr.ModelName]V) (names []mr.ModelName) {
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b mr.ModelName) int { return strings.Compare(a.String(), b.String()) })
	return names
}

// modelOf returns the model that has an object, if its key below the store's
// prefix is one of those that a registry writes.
func modelOf(key string) (name mr.ModelName, ok bool) {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) < 3 {
		return name, false
	}
	name = mr.ModelName{UseCase: parts[0], Model: parts[1]}
	return name, name.Validate() == nil && ours(parts[2])
}

// ours reports whether a key below a model is one of those that a registry
// writes.
func ours(key string) bool {
	return key == documentName || slices.ContainsFunc([]string{historyDir, versionsDir, stagingDir, orphansDir}, func(dir string) bool {
		return strings.HasPrefix(key, dir)
	})
}

// unfinished lists the uploads in parts below a key that were begun long ago
// and not finished. It returns nothing if the service or the user's rights
// don't permit the listing: a sweep can do the rest.
func (s *Store) unfinished(ctx context.Context, prefix string, o SweepOptions) (list []s3service.Upload, err error) {
	if s.s3 == nil {
		return nil, nil
	}
	var page *s3service.Page
	for page == nil || page.Next() {
		err := retry(ctx, func() error {
			ctx, cancel := context.WithTimeout(ctx, smallFor)
			defer cancel()
			next, err := s.s3.Uploads(ctx, s.prefix+prefix, page)
			if err == nil {
				page = next
			}
			return err
		})
		if err != nil && (denied(err) || status(err) == http.StatusNotImplemented || status(err) == http.StatusMethodNotAllowed) {
			s.log.LogAttrs(ctx, slog.LevelWarn, "unfinished uploads of large files can't be listed, so their parts may stay in the bucket", slog.Any("error", err))
			return nil, nil
		}
		if err != nil {
			return nil, fail("list uploads", s.prefix+prefix, err)
		}
		for _, u := range page.Uploads {
			if time.Since(u.Begun) >= o.OlderThan {
				list = append(list, u)
			}
		}
	}
	return list, nil
}

// sweepUnfinished aborts uploads in parts of a model's files, whose keys are
// below the model. It spares an upload that has newer parts or files.
func (s *Store) sweepUnfinished(ctx context.Context, name mr.ModelName, o SweepOptions, list []s3service.Upload, uploads map[string][]object) (done []Swept, err error) {
	for _, u := range list {
		id, _, _ := strings.Cut(strings.TrimPrefix(u.Key, stagingDir), "/")
		if o.young(uploads[id]) {
			continue
		}
		work := Swept{Name: name, Upload: u.ID, Unfinished: u.Key}
		err := s.onUpload(ctx, "list parts", name, u, func(ctx context.Context) (err error) {
			work.Bytes, work.Newest, err = s.s3.Parts(ctx, u)
			return err
		})
		if errors.Is(err, fs.ErrNotExist) || err == nil && time.Since(work.Newest) < o.OlderThan {
			continue
		}
		if err == nil && o.Apply {
			err = s.abort(ctx, name, u)
		}
		if err != nil {
			return done, err
		}
		done = append(done, work)
	}
	return done, nil
}

func (s *Store) abort(ctx context.Context, name mr.ModelName, u s3service.Upload) error {
	if err := s.checkPrefix(ctx); err != nil {
		return err
	}
	err := s.onUpload(ctx, "abort upload", name, u, func(ctx context.Context) error { return s.s3.Abort(ctx, u) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// onUpload makes a small request about an upload of a model's file. The error
// is fs.ErrNotExist if the upload was completed or aborted meanwhile.
func (s *Store) onUpload(ctx context.Context, op string, name mr.ModelName, u s3service.Upload, fn func(context.Context) error) error {
	key := s.prefix + modelKey(name, u.Key)
	err := retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, smallFor)
		defer cancel()
		return fn(ctx)
	})
	if apiCode(err) == "NoSuchUpload" {
		return &Error{op, key, fmt.Errorf("%w: %w", fs.ErrNotExist, err)}
	}
	return fail(op, key, err)
}
