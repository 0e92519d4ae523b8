package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/ubunye-go/modelregistry"
)

const storeUsage = "`folder` of the store, or its bucket: s3://bucket/prefix, gs://bucket/prefix, azblob://container/prefix"

const cacheUsage = "`folder` for versions that are downloaded from a bucket, also by UBUNYE_CACHE; by default the user's"

// exists returns an error if there is no folder of that name. A mistyped name
// must not look like an empty store without faults.
func exists(store string) error {
	if isURL(store) {
		return nil // see orMissing
	}
	if _, err := os.Stat(store); errors.Is(err, fs.ErrNotExist) {
		return noStore(store)
	}
	return nil // opening the store reports any other error
}

func isURL(store string) bool { return strings.Contains(store, "://") }

func noStore(store string) error {
	return fmt.Errorf("store %q: %w; the first registration makes it", store, modelregistry.ErrNotFound)
}

// orMissing returns the error of a command. If the command found nothing in a
// bucket because there is no model below the prefix, it returns the error of a
// missing store. Only then does that cost a request.
func (a *app) orMissing(ctx context.Context, r *modelregistry.ModelRegistry, err error) error {
	if !isURL(a.store) || !errors.Is(err, modelregistry.ErrNotFound) {
		return err
	}
	for range r.Models(ctx) {
		return err // a model, or another error
	}
	return noStore(a.store)
}

// errEmpty says that a store in a bucket has no model. It becomes the error of
// a missing store.
var errEmpty = fmt.Errorf("models: %w", modelregistry.ErrNotFound)

// open opens the registry in the folder or the bucket.
func (a *app) open(ctx context.Context, opts *modelregistry.Options) (*modelregistry.ModelRegistry, error) {
	inBucket, err := isBucket(a.store)
	if err != nil {
		return nil, err
	}
	if !inBucket {
		return modelregistry.Open(a.store, opts)
	}
	b, err := a.openBucket(ctx, opts.Logger)
	if err != nil {
		return nil, err
	}
	return modelregistry.New(b, opts), nil
}

func (a *app) openBucket(ctx context.Context, logger *slog.Logger) (Bucket, error) {
	b, err := a.cloud.Open(ctx, a.store, a.cache, logger)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", a.store, err)
	}
	return b, nil
}

// isBucket reports whether a store is a bucket, and fails for a URL that can't
// be one.
func isBucket(store string) (bool, error) {
	scheme, rest, named := strings.Cut(store, ":")
	hasHost, known := strings.HasPrefix(rest, "//"), scheme == "s3" || scheme == "gs" || scheme == "azblob"
	switch {
	case !hasHost && named && known: // ./s3:/x is a folder
		return false, fmt.Errorf("store %q: %w: want %s://", store, modelregistry.ErrInvalid, scheme)
	case !hasHost:
		return false, nil
	case !known:
		return false, fmt.Errorf("store %q: %w: want a folder, s3://, gs:// or azblob://", store, modelregistry.ErrInvalid)
	}
	if u, err := url.Parse(store); err != nil || u.Host == "" {
		return false, fmt.Errorf("store %q: %w: the URL names no bucket", store, modelregistry.ErrInvalid)
	}
	return true, nil
}
