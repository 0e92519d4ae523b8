package objectstore_test

import (
	"context"
	"crypto/md5"
	"io"
	"io/fs"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"
)

// A faultyBucket is a bucket in memory. It counts requests, and it can refuse
// requests and lose their answers.
type faultyBucket struct {
	b *blob.Bucket

	mu            sync.Mutex
	unconditional bool                              // it ignores the condition of a conditional write
	unknown       error                             // its answer to a conditional write
	wrongMD5      bool                              // its MD5 is not that of the bytes, as in S3 with KMS keys
	before        func(op, key string) error        // refuses a request
	after         func(op, key string) error        // loses the answer to a request
	read          func(key string, r []byte) []byte // changes the bytes of an object when it is read
	stall         func(op, key string) bool         // makes a transfer stand still until its context ends: "put", "get" in the middle, "open" before the answer
	count         map[string]int
}

func newFaulty(t testing.TB) (*faultyBucket, *blob.Bucket) {
	f := &faultyBucket{b: memblob.OpenBucket(nil), count: map[string]int{}}
	b := blob.NewBucket(f)
	t.Cleanup(func() { b.Close() })
	return f, b
}

// set changes the hooks.
func (f *faultyBucket) set(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// requests returns how many requests there were since the last call.
func (f *faultyBucket) requests() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := f.count
	f.count = map[string]int{}
	return count
}

func (f *faultyBucket) stalls(op, key string) bool {
	f.mu.Lock()
	stall := f.stall
	f.mu.Unlock()
	return stall != nil && stall(op, key)
}

func (f *faultyBucket) do(op, key string, fn func() error) error {
	f.mu.Lock()
	before, after := f.before, f.after
	f.count[op]++
	f.mu.Unlock()
	if before != nil {
		if err := before(op, key); err != nil {
			return err
		}
	}
	err := fn()
	if after != nil {
		if lost := after(op, key); lost != nil {
			return lost
		}
	}
	return err
}

// A misreadError is an error of S3 in which the driver found a "301", so that
// it reports a missing bucket.
type misreadError struct {
	codedError
	status int // the status of the answer
}

func misread(status int, text string) error {
	return &misreadError{codedError{gcerrors.NotFound, text + ", RequestID: 301NX2BEM5KLJ1DW"}, status}
}

func (e *misreadError) Service() string     { return "S3" }
func (e *misreadError) HTTPStatusCode() int { return e.status }

// A codedError is an error for which the driver has a code.
type codedError struct {
	code gcerrors.ErrorCode
	text string
}

func (e *codedError) Error() string { return e.text }

func (f *faultyBucket) ErrorCode(err error) gcerrors.ErrorCode {
	switch c := err.(type) {
	case *codedError:
		return c.code
	case *misreadError:
		return c.code
	}
	return gcerrors.Code(err)
}

func (f *faultyBucket) As(any) bool { return false }

func (f *faultyBucket) ErrorAs(err error, target any) bool {
	p, ok := target.(**fs.PathError)
	if perr, is := err.(*fs.PathError); ok && is {
		*p = perr
		return true
	}
	return false
}

func (f *faultyBucket) Attributes(ctx context.Context, key string) (out *driver.Attributes, err error) {
	err = f.do("head", key, func() error {
		a, err := f.b.Attributes(ctx, key)
		if err == nil {
			out = &driver.Attributes{Size: a.Size, ModTime: a.ModTime, ETag: a.ETag, MD5: a.MD5}
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.wrongMD5 {
				sum := md5.Sum([]byte(a.ETag))
				out.MD5 = sum[:]
			}
		}
		return err
	})
	return out, err
}

func (f *faultyBucket) ListPaged(ctx context.Context, opts *driver.ListOptions) (page *driver.ListPage, err error) {
	err = f.do("list", opts.Prefix, func() error {
		token := opts.PageToken
		if len(token) == 0 {
			token = blob.FirstPageToken
		}
		size := opts.PageSize
		if size == 0 {
			size = 1000
		}
		list, next, err := f.b.ListPage(ctx, token, size, &blob.ListOptions{Prefix: opts.Prefix, Delimiter: opts.Delimiter})
		if err != nil {
			return err
		}
		page = &driver.ListPage{NextPageToken: next}
		for _, o := range list {
			page.Objects = append(page.Objects, &driver.ListObject{Key: o.Key, Size: o.Size, ModTime: o.ModTime, IsDir: o.IsDir})
		}
		return nil
	})
	return page, err
}

func (f *faultyBucket) NewRangeReader(ctx context.Context, key string, offset, _ int64, _ *driver.ReaderOptions) (r driver.Reader, err error) {
	if f.stalls("open", key) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	err = f.do("get", key, func() error {
		data, err := f.b.ReadAll(ctx, key)
		if err == nil && int64(len(data)) <= offset && offset > 0 {
			return &codedError{gcerrors.Unknown, "InvalidRange"} // as S3 has it
		}
		data = data[min(offset, int64(len(data))):]
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.read != nil {
			data = f.read(key, data)
		}
		r = &faultyReader{data: data, size: len(data)}
		if f.stall != nil && f.stall("get", key) {
			r = &faultyReader{data: data[:len(data)/2], size: len(data), stalled: ctx}
		}
		return nil
	})
	return r, err
}

type faultyReader struct {
	data    []byte
	size    int             // of the object, from the offset
	stalled context.Context // if not nil, the reader stands still after the data until it ends
}

func (r *faultyReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		if r.stalled != nil {
			<-r.stalled.Done()
			return 0, r.stalled.Err()
		}
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func (r *faultyReader) Close() error { return nil }
func (r *faultyReader) As(any) bool  { return false }
func (r *faultyReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: int64(r.size), ModTime: time.Now()}
}

func (f *faultyBucket) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	return &faultyWriter{f, ctx, key, opts.IfNotExist, nil}, nil
}

type faultyWriter struct {
	f          *faultyBucket
	ctx        context.Context
	key        string
	ifNotExist bool
	data       []byte
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

func (w *faultyWriter) Close() error {
	if w.f.stalls("put", w.key) {
		<-w.ctx.Done()
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.f.do("put", w.key, func() error {
		w.f.mu.Lock()
		ifNotExist, unknown := w.ifNotExist && !w.f.unconditional, w.f.unknown
		w.f.mu.Unlock()
		if w.ifNotExist && unknown != nil {
			return unknown
		}
		return w.f.b.WriteAll(w.ctx, w.key, w.data, &blob.WriterOptions{IfNotExist: ifNotExist, ContentType: "x/y"})
	})
}

func (f *faultyBucket) Copy(ctx context.Context, to, from string, _ *driver.CopyOptions) error {
	return f.do("copy", to, func() error { return f.b.Copy(ctx, to, from, nil) })
}

func (f *faultyBucket) Delete(ctx context.Context, key string) error {
	return f.do("delete", key, func() error { return f.b.Delete(ctx, key) })
}

func (f *faultyBucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", &codedError{gcerrors.Unimplemented, "no"}
}

func (f *faultyBucket) Close() error { return f.b.Close() }

// dump reads every object, by key.
func (f *faultyBucket) dump(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for iter := f.b.List(nil); ; {
		o, err := iter.Next(t.Context())
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := f.b.ReadAll(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		all[o.Key] = string(data)
	}
}
