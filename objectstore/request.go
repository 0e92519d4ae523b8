package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore/internal/testhook"
)

const (
	tries     = 6
	firstWait = 50 * time.Millisecond
	longest   = 2 * time.Second
	// smallFor bounds one attempt of a small request. Without it an answer that
	// never comes would block a change for ever.
	smallFor = 15 * time.Second
	// slowest is the rate in bytes a second that a larger request must reach:
	// one for a document, for a history that is taken over, or for a copy
	// within the bucket.
	slowest = 1 << 20
	// settleFor bounds how long a change that was started may take to learn its
	// outcome after its caller stopped waiting.
	settleFor = 5 * time.Second
)

const contentType = "application/octet-stream"

// retry calls fn until it succeeds, fails for good, or was called often enough.
func retry(ctx context.Context, fn func() error) error {
	var err error
	idle := 0
	for try := range tries {
		if try > 0 && pause(ctx, try) != nil {
			return err
		}
		if err = fn(); err == nil || final(ctx, err) {
			return err
		}
		if errors.Is(err, errIdle) {
			idle++
		}
		if idle == idleTries {
			return err
		}
	}
	return err
}

// pause waits before another try, twice as long each time, and with a random
// part, so that writers that collided do not collide again.
func pause(ctx context.Context, try int) error {
	wait := min(firstWait<<(try-1), longest)
	timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get returns an object's bytes.
func (s *Store) get(ctx context.Context, key string) (data []byte, err error) {
	data, err = s.readAll(ctx, s.prefix+key)
	return data, fail("get", s.prefix+key, err)
}

func (s *Store) exists(ctx context.Context, key string) (there bool, err error) {
	err = retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, smallFor)
		defer cancel()
		there, err = s.bucket.Exists(ctx, s.prefix+key)
		return err
	})
	return there, fail("head", s.prefix+key, err)
}

// put writes a small object, and replaces an existing one.
func (s *Store) put(ctx context.Context, key string, data []byte, opts blob.WriterOptions) error {
	return fail("put", s.prefix+key, retry(ctx, func() error { return s.tryPut(ctx, key, data, opts) }))
}

// tryPut uses Upload, because the other methods of the Azure driver panic when
// a condition does not hold.
func (s *Store) tryPut(ctx context.Context, key string, data []byte, opts blob.WriterOptions) error {
	ctx, cancel := context.WithTimeout(ctx, smallFor+time.Duration(len(data))*time.Second/slowest)
	defer cancel()
	opts.ContentType = contentType
	return s.retryWithoutChecksums(func() error {
		return s.bucket.Upload(ctx, s.prefix+key, bytes.NewReader(data), s.withServiceOptions(&opts))
	})
}

// create makes an object that has an id, unless an object of that name exists.
// It reports whether the existing object is this one. Any error may hide that
// the object was made: the answer was lost, or the client's own second attempt
// found its first. So create reads whose object exists. If it finds none, the
// request may still be under way.
func (s *Store) create(ctx context.Context, key string, data []byte, mine func([]byte) bool) (bool, error) {
	var err error
	unsure := false
	for try := range tries {
		if try > 0 && pause(ctx, try) != nil {
			break
		}
		if err = s.tryPut(ctx, key, data, blob.WriterOptions{IfNotExist: true}); err == nil {
			return true, nil
		}
		there, getErr := s.get(ctx, key)
		if getErr == nil {
			return mine(there), nil
		}
		refused := final(ctx, err) && !lost(err) && ctx.Err() == nil
		if refused && !unsure && (errors.Is(getErr, fs.ErrNotExist) || errors.Is(fail("", "", err), fs.ErrPermission)) {
			return false, fail("put", s.prefix+key, err)
		}
		unsure = true
	}
	return false, fail("put", s.prefix+key, fmt.Errorf("%w: %w", mr.ErrUncertain, err))
}

// linger returns a context that outlives ctx by a little. So a change that was
// started learns its outcome, although its caller stopped waiting.
func linger(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(settleFor, cancel) })
	return longer, func() { stop(); cancel() }
}

// An object is an entry of a listing.
type object struct {
	key  string // below the store's prefix
	size int64
	time time.Time
	dir  bool // a common prefix of names, which ends in a slash
}

// list returns what is below a prefix: with flat every object, and otherwise
// the objects and common prefixes up to the next slash. A limit of 0 means no
// limit.
func (s *Store) list(ctx context.Context, prefix string, flat bool, limit int) (list []object, err error) {
	opts := &blob.ListOptions{Prefix: s.prefix + prefix}
	if !flat {
		opts.Delimiter = "/"
	}
	page := 1000
	if limit > 0 {
		page = limit
	}
	token := blob.FirstPageToken
	for len(token) > 0 && (limit == 0 || len(list) < limit) {
		var objects []*blob.ListObject
		var next []byte
		err := retry(ctx, func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, smallFor)
			defer cancel()
			objects, next, err = s.bucket.ListPage(ctx, token, page, opts)
			return err
		})
		if err != nil {
			return list, fail("list", s.prefix+prefix, err)
		}
		for _, o := range objects {
			if o.Key == opts.Prefix { // consoles make an object of that name to show a folder
				continue
			}
			list = append(list, object{strings.TrimPrefix(o.Key, s.prefix), o.Size, o.ModTime, o.IsDir})
		}
		token = next
	}
	return list, nil
}

func (s *Store) remove(ctx context.Context, key string) error {
	err := retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, smallFor)
		defer cancel()
		return s.bucket.Delete(ctx, s.prefix+key)
	})
	if err = fail("delete", s.prefix+key, err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copyObject copies within the bucket. The service copies if it can.
func (s *Store) copyObject(ctx context.Context, to, from string, size int64) error {
	err := errors.ErrUnsupported
	if size <= s.copyMax {
		err = retry(ctx, func() error {
			ctx, cancel := context.WithTimeout(ctx, smallFor+time.Duration(size)*time.Second/slowest)
			defer cancel()
			return s.bucket.Copy(ctx, s.prefix+to, s.prefix+from, nil)
		})
	}
	if err == nil || errors.Is(fail("", "", err), fs.ErrNotExist) || ctx.Err() != nil {
		return fail("copy", s.prefix+to, err)
	}
	return fail("copy", s.prefix+to, s.copyThrough(ctx, s.prefix+to, s.prefix+from, size))
}

// copyThrough downloads an object and uploads it at the same time. A failed
// upload is tried again. The download tries again by itself, so its error is
// final.
func (s *Store) copyThrough(ctx context.Context, to, from string, size int64) error {
	var unread error
	err := retry(ctx, func() error {
		return s.retryWithoutChecksums(func() error {
			d, err := s.open(ctx, from)
			if err != nil {
				unread = err
				return nil
			}
			defer d.Close()
			err = s.upload(ctx, to, d, size)
			if unread = d.err; unread != nil {
				return nil
			}
			return err
		})
	})
	return errors.Join(unread, err)
}

// serverCopyMax is the largest object that S3 copies in one request.
const serverCopyMax = 5 << 30

func init() {
	testhook.ServerCopyMax = func(store any, bytes int64) { store.(*Store).copyMax = bytes }
}

// uploadOptions splits a large file into parts that are sent in parallel, at
// most as many as S3 allows.
func uploadOptions(size int64) *blob.WriterOptions {
	const most, part = 9000, 8 << 20
	return &blob.WriterOptions{ContentType: contentType, BufferSize: int(max(part, (size+most-1)/most)), MaxConcurrency: 4}
}

// each calls fn, which makes small requests, for every index below n,
// concurrently. It stops at the first error.
func (s *Store) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	return inSlots(ctx, s.requests, n, fn)
}

// eachFile is each for transfers of whole files. Small requests do not wait for
// them: a reader must see what the registry says while a download stands still.
func (s *Store) eachFile(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	return inSlots(ctx, s.transfers, n, fn)
}

func inSlots(ctx context.Context, slots chan struct{}, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return settled(ctx, &wg)
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := fn(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	return settled(ctx, &wg)
}

func settled(ctx context.Context, wg *sync.WaitGroup) error {
	wg.Wait()
	return context.Cause(ctx)
}
