package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
	"github.com/ubunye-go/modelregistry/internal/stagedfiles"
)

// stagedFiles is an upload whose files are sent while the caller writes them.
type stagedFiles struct {
	upload
	list stagedfiles.List
}

// StageFiles begins a tree. Its files go to the bucket as they are written. The
// caller decides how many are sent at once: [Options].Parallel does not count
// them.
func (s *Store) StageFiles(ctx context.Context, useCase, model string) (driver.StagedFiles, error) {
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	if err := s.checkPrefix(ctx); err != nil {
		return nil, err
	}
	st := &stagedFiles{upload: upload{s: s, name: mr.ModelName{UseCase: useCase, Model: model}, id: pathname.NewID(), bare: true}}
	if err := st.begin(ctx); err != nil {
		return nil, err
	}
	return st, nil
}

// Create begins the upload of a file. A stream can't be sent again, so the
// store does not try again. The bucket's client may.
func (st *stagedFiles) Create(ctx context.Context, f driver.TreeFile) (io.WriteCloser, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return st.list.Create(f.Path, f.Size, func() (stagedfiles.Writer, error) {
		st.sent = append(st.sent, st.key(f.Path))
		return st.send(ctx, f), nil
	})
}

// Seal only checks: the files that were closed are in the bucket.
func (st *stagedFiles) Seal(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := st.list.Seal(); err != nil {
		return err
	}
	slices.SortFunc(st.files, func(a, b fileInfo) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// Discard ends what is being sent, and removes what was sent unless a change
// may name it.
func (st *stagedFiles) Discard() error {
	if st.over {
		return nil
	}
	st.list.Discard()
	return st.giveUp()
}

// A sending is a file that is being sent.
type sending struct {
	st   *stagedFiles
	file driver.TreeFile
	hash hash.Hash
	pipe *io.PipeWriter
	done chan error // gets the error of the upload
	stop func() bool
}

func (st *stagedFiles) send(ctx context.Context, f driver.TreeFile) *sending {
	r, w := io.Pipe()
	up := &sending{st: st, file: f, hash: sha256.New(), pipe: w, done: make(chan error, 1)}
	go func() {
		key := st.s.prefix + st.key(f.Path)
		err := fail("put", key, st.s.upload(ctx, key, r, f.Size))
		r.CloseWithError(err) // ends a Write that is waiting
		up.done <- err
	}()
	// Some drivers wait for bytes and do not notice that the context ended.
	up.stop = context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	return up
}

func (up *sending) Write(p []byte) (int, error) {
	n, err := up.pipe.Write(p)
	up.hash.Write(p[:n])
	return n, err
}

// Close waits until the bucket has the file.
func (up *sending) Close() error {
	up.pipe.Close()
	if err := up.wait(); err != nil {
		return err
	}
	st := up.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if up.file.Path == manifestName {
		st.bare = false
	}
	st.files = append(st.files, fileInfo{
		Path: up.file.Path, Size: up.file.Size, Mode: fmt.Sprintf("%04o", up.file.Mode), SHA256: hex.EncodeToString(up.hash.Sum(nil)),
	})
	return nil
}

// errAborted ends the upload of a file that can't be completed.
var errAborted = errors.New("the upload was aborted")

// Abort makes the upload fail. It does not cancel the upload's context, because
// S3's client needs it to remove the parts of the file that it sent. A driver
// that keeps the bytes that it has read leaves an object, which Discard
// removes.
func (up *sending) Abort() error {
	up.pipe.CloseWithError(errAborted)
	_ = up.wait()
	return nil
}

func (up *sending) wait() error {
	defer up.stop()
	return <-up.done
}
