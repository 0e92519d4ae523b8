package main

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
	"github.com/ubunye-go/modelregistry/objectstore"
	_ "gocloud.dev/blob/azureblob" // drivers for the buckets that --store may name
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
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

// open opens the registry in a folder, or in the bucket that a URL names.
func open(ctx context.Context, store, cache string, opts *modelregistry.Options) (*modelregistry.ModelRegistry, error) {
	s, err := openBucket(ctx, store, cache, opts.Logger)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return modelregistry.Open(store, opts)
	}
	return modelregistry.New(s, opts), nil
}

// openBucket opens the store in the bucket that a URL names. It returns nil for
// a folder.
func openBucket(ctx context.Context, store, cache string, logger *slog.Logger) (*objectstore.Store, error) {
	scheme, rest, named := strings.Cut(store, ":")
	hasHost, known := strings.HasPrefix(rest, "//"), scheme == "s3" || scheme == "gs" || scheme == "azblob"
	switch {
	case !hasHost && named && known: // ./s3:/x is a folder
		return nil, fmt.Errorf("store %q: %w: want %s://", store, modelregistry.ErrInvalid, scheme)
	case !hasHost:
		return nil, nil
	case !known:
		return nil, fmt.Errorf("store %q: %w: want a folder, s3://, gs:// or azblob://", store, modelregistry.ErrInvalid)
	}
	if u, err := url.Parse(store); err != nil || u.Host == "" {
		return nil, fmt.Errorf("store %q: %w: the URL names no bucket", store, modelregistry.ErrInvalid)
	}
	s, err := objectstore.Open(ctx, store, &objectstore.Options{CacheDir: cache, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", store, err)
	}
	return s, nil
}
