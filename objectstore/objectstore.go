// Package objectstore keeps a model registry in a bucket. It needs no database,
// lock service or server.
//
//	bucket, err := blob.OpenBucket(ctx, "s3://models?region=eu-central-1") // gocloud.dev/blob, and a driver
//	store, err := objectstore.New(bucket, &objectstore.Options{Prefix: "registry"})
//	reg := modelregistry.New(store, nil)
//
// or [Open] with one URL. For another service with the API of S3, the URL
// contains its address:
// s3://models/registry?endpoint=http://127.0.0.1:7070&use_path_style=true&disable_https=true&region=us-east-1.
// A program links only the drivers that it imports: gocloud.dev/blob/s3blob,
// gcsblob, azureblob.
//
// # How it works
//
// A change is one immutable object, named by the next sequence number. It is
// created on condition that no object has that name yet, which S3, GCS and
// Azure Blob all offer. The first writer gets the number. The others read the
// new change and decide again. When the answer to a write is lost, the store
// reads which writer's object exists, and does not guess. The objects are the
// history and are never deleted.
//
// Below the prefix:
//
//	.modelregistry.json                   says that this is a registry, and its format
//	{use_case}/{model}/history/{n}.jsonl  the changes, the newest first by name
//	                   registry.json      the checkpoint, as the folder store has it
//	                   versions/{version} a version's files, as the folder store has them
//	                   .staging/{id}      files being uploaded; Sweep removes those of dead processes
//	                   .orphans/          files of changes that did not happen
//
// Positions in the log count the bytes of the changes' lines, as if the lines
// were in one file. So a copy on disk (aws s3 sync, rclone) is a store that the
// folder store reads, with all of its history. It reads the lines from the
// changes, and its first own change writes them into a history.jsonl. A folder
// that was copied into an empty bucket is a store that this one reads. Its
// history.jsonl is the log, until the first change contains all of it and the
// object is removed. Sweep a bucket before it is copied: a registration that
// died may have left a version's files in .staging only, where the folder store
// ignores them. Copy whole models into an empty place: a copy over a model that
// was changed meanwhile mixes the two.
//
// # Many writers
//
// A writer that loses a race decides and tries again, after a pause that grows
// to 0.4 s and is partly random. A change that loses a thousand times in a row,
// which takes some minutes, fails with [ErrContention], and nothing was
// changed. The context can end it earlier.
//
// # Requirements and limits
//
// The bucket must support the condition. The store tests that before the first
// change, and [ErrNotConditional] says that it does not. Reads and listings
// must show a write at once, as those of the three services do. The program
// needs permission to list, read and write, and to delete for cleaning up.
//
// Another program may write a model's registry.json, as Ubunye 0.5 and later
// do. The next change of any registry records that first. A read notices it if
// the history has an import or an earlier change by another program, or if
// [modelregistry.Options].ExternalChanges is set. The two take turns. A write
// by another program is lost if it comes in the instant in which a change
// replaces registry.json: after the last read of the old document and before
// the arrival of the new one. Nothing else may write under the prefix.
//
// A model whose changes and document are lost while its versions exist is not
// started again. A registration fails with modelregistry.ErrIndexLost, and
// Verify reports it. Copy the model to disk and repair it there.
//
// Verify checks files that are in this machine's cache there, and does not
// download them again. It reads the other files from the bucket and keeps
// nothing of them. To check all files in the bucket, name a folder that is
// empty as the CacheDir. Repair is not supported: copy the prefix to disk,
// repair the copy, and copy it to a new prefix. A folder without files is not
// kept. After a model is deleted while programs run, restart the programs that
// read it: a writer notices the deletion, a reader may not.
package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pathname"
	"github.com/ubunye-go/modelregistry/objectstore/internal/s3service"
)

// Options configure a store. The zero value and nil work.
type Options struct {
	// Prefix is the place of the registry in the bucket: "", "models",
	// "team/models".
	Prefix string

	// CacheDir is the folder on this machine for downloaded versions, and for
	// files that are about to be uploaded. Processes, stores and users may
	// share it: if the folder's group or all users may write to it, they may
	// write to what is made in it. It is made when the first file needs it. If
	// it can't be used, that operation fails with a *[CacheError].
	//
	// If CacheDir is empty, the store uses modelregistry below os.UserCacheDir.
	// If that can't be used, for example because HOME is not set, a temporary
	// folder takes its place until Close, and the Logger gets a warning.
	CacheDir string

	// CacheBytes bounds the cache: the least recently used trees are removed
	// first, and trees in use never. 0 means 10 GiB.
	CacheBytes int64

	// Parallel is how many files are transferred at the same time. 0 means 8.
	// The upload of a large file takes 32 MiB of memory.
	Parallel int

	// Logger receives the errors of cleaning up. Nil discards them.
	Logger *slog.Logger
}

// A Store is a registry's store in a bucket. It is safe for concurrent use, and
// so are several Stores on the same bucket, in any number of processes and
// places.
type Store struct {
	bucket  *blob.Bucket
	owned   bool // Close closes the bucket
	prefix  string
	cache   *cache
	log     *slog.Logger
	copyMax int64 // the largest file that the service copies in one request

	s3          *s3service.Service // nil if the bucket is not in S3
	noChecksums atomic.Bool        // the service refuses the headers of checksums

	transfers chan struct{} // transfers of files under way
	requests  chan struct{} // small requests under way that are made together

	ready    once // the bucket exists
	writable once // the bucket supports conditional writes, and the prefix is a registry's

	mu     sync.Mutex
	models map[mr.ModelName]*known
	closed bool
}

// known holds the facts that a store remembers about a model. All of them can
// be read again.
type known struct {
	newest int64               // the newest change that is known to exist
	end    int64               // the position after it
	id     string              // the id in that change
	noted  int64               // every change up to this one was read for its trees
	trees  map[string]treeInfo // by version

	document seen // the document that was seen last
}

// New returns the store in a bucket. The caller closes the bucket, after the
// store. New neither reads nor writes anything.
func New(bucket *blob.Bucket, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	prefix := strings.Trim(o.Prefix, "/")
	for _, part := range strings.Split(prefix, "/") {
		if prefix != "" && (part == "" || part == "." || part == "..") {
			return nil, fmt.Errorf("prefix %q: %w", o.Prefix, fs.ErrInvalid)
		}
	}
	if prefix != "" {
		prefix += "/"
	}
	if o.CacheDir != "" {
		if err := pathname.CheckFolder(o.CacheDir); err != nil {
			return nil, fmt.Errorf("cache folder %q: %w: %w", o.CacheDir, mr.ErrInvalid, err)
		}
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 10 << 30
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{
		bucket: bucket, prefix: prefix,
		cache:     &cache{folder: newCacheFolder(o.CacheDir, o.Logger), limit: o.CacheBytes, log: o.Logger},
		transfers: make(chan struct{}, o.Parallel), requests: make(chan struct{}, o.Parallel), log: o.Logger, copyMax: serverCopyMax,
		s3:     s3service.Of(bucket),
		models: map[mr.ModelName]*known{},
	}, nil
}

// Open returns the store that a URL names: s3://bucket/prefix?region=…,
// gs://bucket/prefix, azblob://container/prefix. The program imports the
// driver, whose documentation has the parameters. Close also closes the bucket.
func Open(ctx context.Context, rawURL string, opts *Options) (*Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		return nil, fmt.Errorf("%s: %w; modelregistry.Open is for folders", rawURL, ErrNotConditional)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("%s: %w: the URL names no bucket", rawURL, fs.ErrInvalid)
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Prefix = strings.Trim(u.Path, "/") + "/" + o.Prefix
	u.Path, u.RawPath = "", ""
	bucket, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, err
	}
	s, err := New(bucket, &o)
	if err != nil {
		return nil, errors.Join(err, bucket.Close())
	}
	s.owned = true
	return s, nil
}

// Close ends the use of the bucket, and removes a temporary cache.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := s.cache.close()
	if s.owned {
		err = errors.Join(err, s.bucket.Close())
	}
	return err
}

// know reads or changes the remembered facts about a model.
func (s *Store) know(name mr.ModelName, fn func(*known)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.models[name]
	if k == nil {
		k = &known{trees: map[string]treeInfo{}}
		s.models[name] = k
	}
	fn(k)
}

// reached records a change that exists, and where it ends.
func (s *Store) reached(name mr.ModelName, sl *slot) {
	s.know(name, func(k *known) {
		if sl.Number > k.newest {
			k.newest, k.end, k.id = sl.Number, sl.End, sl.ID
		}
	})
}

// once runs a function until it succeeds once, for all callers that need it.
type once struct {
	mu   sync.Mutex
	done bool
}

func (o *once) do(fn func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return nil
	}
	err := fn()
	o.done = err == nil
	return err
}
