package objectstore

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io/fs"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// A seen identifies a document: by its ETag, by the MD5 of its bytes, or by
// both. It can also say that there is no document. The zero seen says that the
// store did not check.
//
// Most services have the MD5 of an object that was uploaded in one piece. A
// HEAD then shows whether the document is one that this store read or wrote.
// Others have no such MD5, for example S3 with encryption by a KMS key. There
// the ETag identifies the document, if it was seen before the bytes were read.
type seen struct {
	none bool
	etag string
	md5  string
}

// same reports whether a and b identify the same document.
func (a seen) same(b seen) bool {
	return a.none && b.none || a.etag != "" && a.etag == b.etag || a.md5 != "" && a.md5 == b.md5
}

// written returns the seen of a document with these bytes.
func written(data []byte) seen {
	sum := md5.Sum(data)
	return seen{md5: string(sum[:])}
}

// seeDocument asks for a model's document without reading its bytes.
func (s *Store) seeDocument(ctx context.Context, name mr.ModelName) (now seen, err error) {
	key := modelKey(name, documentName)
	err = retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, smallFor)
		defer cancel()
		a, err := s.bucket.Attributes(ctx, s.prefix+key)
		if err == nil {
			now = seen{etag: a.ETag, md5: string(a.MD5)}
		}
		return err
	})
	if err = fail("head", s.prefix+key, err); errors.Is(err, fs.ErrNotExist) {
		now, err = seen{none: true}, nil
	}
	if err == nil {
		s.know(name, func(k *known) { k.document = now })
	}
	return now, err
}

// ChangedExternally asks for the next change, and for the document's ETag.
func (s *Store) ChangedExternally(ctx context.Context, useCase, model string, since driver.Revision) (bool, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	rev, ok := since.(revision)
	if !ok || rev.newest == 0 {
		return true, nil
	}
	var appended bool
	var now seen
	err := s.each(ctx, 2, func(ctx context.Context, i int) (err error) {
		if i == 0 {
			appended, err = s.exists(ctx, slotKey(name, rev.newest+1))
		} else {
			now, err = s.seeDocument(ctx, name)
		}
		return err
	})
	return err != nil || appended || !now.same(rev.document), err
}

// errNewChange says that a change was made since the view was taken.
var errNewChange = errors.New("a change was made meanwhile")

// Document returns the document's bytes. In an Append, the document must not be
// newer than the changes that the view shows, because a document is written
// after its change.
func (v *view) Document() ([]byte, bool, error) {
	data, err := v.s.get(v.ctx, modelKey(v.name, documentName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.document = seen{none: true}
	case err != nil:
		return nil, false, err
	default:
		v.document = v.identify(data)
	}
	v.s.know(v.name, func(k *known) { k.document = v.document })
	if v.writes && v.newest >= 0 {
		later, err := v.s.exists(v.ctx, slotKey(v.name, v.newest+1))
		if err != nil || later {
			return nil, false, errors.Join(err, errNewChange)
		}
	}
	return data, !v.document.none, nil
}

// identify returns the seen of the document that was read. The ETag that was
// seen before belongs to it if it still is the object's ETag.
func (v *view) identify(data []byte) seen {
	now := written(data)
	if before := v.latest(); before.etag != "" {
		if before.same(now) {
			return before
		}
		if after, err := v.s.seeDocument(v.ctx, v.name); err == nil && after.etag == before.etag {
			now.etag = after.etag
		}
	}
	return now
}

// latest returns the document that was seen last. An Append relies only on what
// its own view saw.
func (v *view) latest() (now seen) {
	if v.writes {
		return v.asked
	}
	v.s.know(v.name, func(k *known) { now = k.document })
	return now
}

// see asks for the document on behalf of an Append, once.
func (v *view) see(ctx context.Context) (err error) {
	if v.asked == (seen{}) {
		v.asked, err = v.s.seeDocument(ctx, v.name)
	}
	return err
}

// DocumentChanged asks for the document's ETag if the view is that of an
// Append. The view of a Read relies on what was seen last, so that it costs no
// request.
func (v *view) DocumentChanged(since driver.Revision) bool {
	rev, ok := since.(revision)
	if !ok || rev.newest == 0 || v.restarted {
		return true
	}
	if v.writes && v.see(v.ctx) != nil {
		return true
	}
	now := v.latest()
	if !v.writes && now == (seen{}) {
		now = rev.document
	}
	if !now.same(rev.document) {
		return true
	}
	v.document = now
	return false
}

// checkpoint puts a document in place. Two documents may cross on their way, so
// that the older one stays. The writer that appended first then finds that
// another change was made. end is the position after the commit's change.
func (s *Store) checkpoint(ctx context.Context, v *view, c *driver.Commit, number, end int64) error {
	var b bytes.Buffer
	made, _ := c.Checkpoint.Make(end)
	if _, err := made.WriteTo(&b); err != nil {
		return err
	}
	data := b.Bytes()
	if err := s.putDocument(ctx, v, c, data); err != nil {
		return err
	}
	s.know(v.name, func(k *known) { k.document = written(data) })
	overtaken, err := s.exists(ctx, slotKey(v.name, number+1))
	if err == nil && overtaken {
		err = mr.ErrOvertaken
	}
	if err == nil {
		v.document = written(data)
	}
	return err
}

// putDocument puts a document in place of the document that the view showed, or
// of another that the commit may replace. If there was none, it writes on
// condition that there still is none. Services could also compare an ETag, but
// gocloud.dev does not offer that. So a document that another program writes
// between the check and the request is lost.
func (s *Store) putDocument(ctx context.Context, v *view, c *driver.Commit, data []byte) error {
	key := modelKey(v.name, documentName)
	if c.Checkpoint.Replaces == nil {
		return s.put(ctx, key, data, blob.WriterOptions{})
	}
	for {
		now, err := s.seeDocument(ctx, v.name)
		if err != nil {
			return err
		}
		if !now.none && !now.same(v.document) {
			there, err := s.get(ctx, key)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			case !c.Checkpoint.Replaces(there):
				return mr.ErrOvertaken
			}
		}
		err = s.put(ctx, key, data, blob.WriterOptions{IfNotExist: now.none})
		if err == nil || !now.none || !lost(err) {
			return err
		}
	}
}
