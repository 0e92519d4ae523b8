// Command ubunye-cloud is the command ubunye for stores in folders and in
// buckets of Amazon S3, Google Cloud Storage and Azure.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/examples/internal/cli"
	"github.com/ubunye-go/modelregistry/objectstore"
	_ "gocloud.dev/blob/azureblob" // drivers for the buckets that --store may name
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
)

func main() { os.Exit(cli.Main(cloud)) }

var cloud = &cli.Cloud{
	Open: func(ctx context.Context, url, cacheDir string, logger *slog.Logger) (cli.Bucket, error) {
		s, err := objectstore.Open(ctx, url, &objectstore.Options{CacheDir: cacheDir, Logger: logger})
		if err != nil {
			return nil, err
		}
		return bucket{s}, nil
	},
	CacheFailed: func(err error) bool {
		var failed *objectstore.CacheError
		return errors.As(err, &failed)
	},
}

// A bucket is a store of objectstore for the command line.
type bucket struct{ *objectstore.Store }

func (b bucket) Sweep(ctx context.Context, name modelregistry.ModelName, opts cli.SweepOptions) ([]cli.Swept, error) {
	done, err := b.Store.Sweep(ctx, name, sweepOptions(opts))
	return swept(done), err
}

func (b bucket) SweepAll(ctx context.Context, opts cli.SweepOptions) ([]cli.Swept, error) {
	done, err := b.Store.SweepAll(ctx, sweepOptions(opts))
	return swept(done), err
}

func sweepOptions(opts cli.SweepOptions) *objectstore.SweepOptions {
	return &objectstore.SweepOptions{OlderThan: opts.OlderThan, Apply: opts.Apply}
}

func swept(done []objectstore.Swept) []cli.Swept {
	list := make([]cli.Swept, len(done))
	for i, d := range done {
		list[i] = cli.Swept(d)
	}
	return list
}
