package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	_ "gocloud.dev/blob/azureblob" // the buckets that --store may name
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
)

const storeUsage = "`folder` of the store, or its bucket: s3://bucket/prefix, gs://bucket/prefix, azblob://container/prefix"

// open opens the registry in a folder, or in the bucket that a URL names.
func open(ctx context.Context, store string, opts *modelregistry.Options) (*modelregistry.ModelRegistry, error) {
	scheme, _, isURL := strings.Cut(store, "://")
	if !isURL {
		return modelregistry.Open(store, opts)
	}
	switch scheme {
	case "s3", "gs", "azblob":
	default:
		return nil, fmt.Errorf("store %q: %w: want a folder, s3://, gs:// or azblob://", store, modelregistry.ErrInvalid)
	}
	if u, err := url.Parse(store); err != nil || u.Host == "" {
		return nil, fmt.Errorf("store %q: %w: it names no bucket", store, modelregistry.ErrInvalid)
	}
	s, err := objectstore.Open(ctx, store, &objectstore.Options{Logger: opts.Logger})
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", store, err)
	}
	return modelregistry.New(s, opts), nil
}
