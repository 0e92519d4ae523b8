package objectstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
)

// Transfers of files have no time limit, because files can be large and
// connections slow. Instead, a transfer that stands still is ended and tried
// again.

const (
	// idleFor bounds how long a transfer may stand still.
	idleFor = 15 * time.Second
	// idleTries is how often a transfer may stand still at the same byte.
	idleTries = 3
	// slowestUpload is the rate in bytes a second that an upload must reach.
	// Drivers send a file in parts and show only when they read the next part.
	// So an upload may also take the time for the bytes that were read and not
	// sent yet.
	slowestUpload = 32 << 10
)

// errIdle says that a transfer stood still.
var errIdle = fmt.Errorf("the transfer stood still for %v or longer", idleFor)

// A watchdog cancels the context of a transfer that stands still.
type watchdog struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// watch returns a context for a transfer, and its watchdog, which waits for
// start. The caller calls end after the transfer.
func watch(ctx context.Context) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel}
	w.timer = time.AfterFunc(idleFor, func() { cancel(errIdle) })
	w.timer.Stop()
	return ctx, w
}

func (w *watchdog) start(d time.Duration) { w.timer.Reset(d) }
func (w *watchdog) stop()                 { w.timer.Stop() }

func (w *watchdog) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// idle returns errIdle in place of an error that the watchdog of a context
// caused.
func idle(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errIdle {
		return errIdle
	}
	return err
}

// A download reads an object. If the connection breaks or stands still, it goes
// on at the next byte, unless the object can be replaced meanwhile.
type download struct {
	s    *Store
	ctx  context.Context
	key  string
	once bool // one attempt: the object can be replaced, and its bytes must not be mixed

	at     int64 // bytes read
	size   int64 // of the object, once it was opened
	opened bool
	failed int   // attempts that failed since a byte was read
	idle   int   // of them, those that stood still
	err    error // of the last attempt, once there is no other

	r      *blob.Reader // nil between attempts
	reqCtx context.Context
	dog    *watchdog
}

// open begins the download of an object that is never replaced, whose key
// includes the prefix.
func (s *Store) open(ctx context.Context, key string) (*download, error) {
	d := &download{s: s, ctx: ctx, key: key}
	for d.r == nil {
		if err := d.request(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// request asks for the rest of the object. It returns no error and no reader if
// the caller should try again.
func (d *download) request() error {
	if d.failed > 0 {
		if err := pause(d.ctx, d.failed); err != nil {
			return err
		}
	}
	d.reqCtx, d.dog = watch(d.ctx)
	d.dog.start(idleFor)
	r, err := d.s.bucket.NewRangeReader(d.reqCtx, d.key, d.at, -1, d.s.downloadOptions())
	d.dog.stop()
	if err != nil {
		err = idle(d.reqCtx, err)
		d.dog.end()
		return d.again(err)
	}
	d.r = r
	if !d.opened {
		d.opened, d.size = true, r.Size()
	}
	return nil
}

// again returns nil if the download should be tried again after an error.
func (d *download) again(err error) error {
	d.failed++
	if err == errIdle {
		d.idle++
	}
	if d.once || d.failed == tries || d.idle == idleTries || final(d.ctx, err) {
		return err
	}
	return nil
}

func (d *download) Read(p []byte) (int, error) {
	for {
		if d.opened && d.r == nil && d.at == d.size {
			return 0, io.EOF
		}
		if d.r == nil {
			if d.err = d.request(); d.err != nil {
				return 0, d.err
			}
			continue
		}
		d.dog.start(idleFor)
		n, err := d.r.Read(p)
		d.dog.stop()
		d.at += int64(n)
		if n > 0 {
			d.failed, d.idle = 0, 0
		}
		if err == nil || err == io.EOF {
			return n, err
		}
		err = idle(d.reqCtx, err)
		d.Close()
		if n > 0 {
			return n, nil
		}
		if d.err = d.again(err); d.err != nil {
			return 0, d.err
		}
	}
}

// Close ends the download.
func (d *download) Close() error {
	if d.r == nil {
		return nil
	}
	err := d.r.Close()
	d.r = nil
	d.dog.end()
	return err
}

// readAll returns the bytes of an object, whose key includes the prefix. The
// object can be replaced meanwhile, so each attempt begins at the first byte.
func (s *Store) readAll(ctx context.Context, key string) (data []byte, err error) {
	err = retry(ctx, func() error {
		d := &download{s: s, ctx: ctx, key: key, once: true}
		defer d.Close()
		if err := d.request(); err != nil {
			return err
		}
		buf := bytes.NewBuffer(make([]byte, 0, int(d.size)+bytes.MinRead))
		_, err := buf.ReadFrom(d)
		data = buf.Bytes()
		return err
	})
	return data, err
}

// upload sends a file once, whose key includes the prefix. When ctx ends, the
// driver's next read fails, and the driver's own context lives on for
// settleFor. S3's client needs it to remove the parts of a large file that it
// sent.
func (s *Store) upload(ctx context.Context, key string, r io.Reader, size int64) error {
	opts := s.withServiceOptions(uploadOptions(size))
	sending, dog := watch(context.WithoutCancel(ctx))
	defer dog.end()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(settleFor, func() { dog.cancel(context.Cause(ctx)) }) })
	defer stop()
	dog.start(idleFor)
	from := &uploadReader{ctx: ctx, r: r, dog: dog, most: int64(opts.BufferSize * (opts.MaxConcurrency + 1))}
	return idle(sending, s.bucket.Upload(sending, key, from, opts))
}

// An uploadReader is read by a driver that uploads. The watchdog does not count
// the time in which the driver waits for bytes.
type uploadReader struct {
	ctx  context.Context
	r    io.Reader
	dog  *watchdog
	read int64
	most int64 // the largest number of bytes that the driver has read and not sent
}

func (u *uploadReader) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	u.dog.stop()
	n, err := u.r.Read(p)
	u.read += int64(n)
	u.dog.start(idleFor + time.Duration(min(u.read, u.most))*time.Second/slowestUpload)
	return n, err
}
