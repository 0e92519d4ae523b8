package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strconv"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// treeFiles reads the files of a version from the bucket.
type treeFiles struct {
	s   *Store
	src *source
}

// ReadTree returns the files of a version. It does not use the cache.
func (s *Store) ReadTree(ctx context.Context, useCase, model, version string) (driver.TreeFiles, error) {
	if err := driver.CheckVersion(version); err != nil {
		return nil, err
	}
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	src, err := s.source(ctx, mr.ModelName{UseCase: useCase, Model: model}, version)
	if err != nil {
		return nil, err
	}
	return &treeFiles{s, src}, nil
}

func (t *treeFiles) Close() error { return nil }

// Files yields the files that the manifest names, and the manifest. It makes no
// request.
func (t *treeFiles) Files(ctx context.Context) iter.Seq2[driver.TreeFile, error] {
	return func(yield func(driver.TreeFile, error) bool) {
		for _, f := range t.src.files {
			if err := ctx.Err(); err != nil {
				yield(driver.TreeFile{}, err)
				return
			}
			if !yield(driver.TreeFile{Path: f.Path, Size: f.Size, Mode: f.mode()}, nil) {
				return
			}
		}
		if manifest := t.src.manifest; manifest != nil {
			yield(driver.TreeFile{Path: manifestName, Size: int64(len(manifest)), Mode: 0o444}, nil)
		}
	}
}

// mode returns the permission bits of a file in the manifest, or 0444.
func (f fileInfo) mode() fs.FileMode {
	if bits, err := strconv.ParseUint(f.Mode, 8, 32); err == nil && bits <= uint64(fs.ModePerm) {
		return fs.FileMode(bits)
	}
	return 0o444
}

// Open opens a file in its present place. A version's files may have moved from
// the upload to their place since ReadTree.
func (t *treeFiles) Open(ctx context.Context, file string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if file == manifestName && t.src.manifest != nil {
		return io.NopCloser(bytes.NewReader(t.src.manifest)), nil
	}
	for _, f := range t.src.files {
		if f.Path == file {
			return t.open(ctx, f)
		}
	}
	return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
}

func (t *treeFiles) open(ctx context.Context, f fileInfo) (_ io.ReadCloser, missing error) {
	for _, dir := range t.src.dirs {
		key := t.s.prefix + dir + f.Path
		d, err := t.s.open(ctx, key)
		if err = fail("get", key, err); errors.Is(err, fs.ErrNotExist) {
			missing = err
			continue
		}
		if err == nil && d.size != f.Size {
			d.Close()
			err = fmt.Errorf("%w: %s: %d bytes, not %d", mr.ErrArtifact, key, d.size, f.Size)
		}
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	return nil, missing
}
