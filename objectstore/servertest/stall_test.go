package servertest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A stallProxy forwards TCP connections, and some of them stop to move without
// being closed, as behind a lost route.
type stallProxy struct {
	addr       string
	up, down   atomic.Int64 // after so many bytes a connection stops; 0 for never
	connection atomic.Int64 // how many connections may still stop
	stopped    chan struct{}
	slow       atomic.Bool // about 6 MB/s
}

func newStallProxy(t testing.TB, server string) *stallProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &stallProxy{addr: l.Addr().String(), stopped: make(chan struct{}, 1000)}
	t.Cleanup(func() { l.Close() })
	ctx := t.Context()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			service, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			context.AfterFunc(ctx, func() { client.Close(); service.Close() })
			go p.forward(ctx, service, client, &p.up)
			go p.forward(ctx, client, service, &p.down)
		}
	}()
	return p
}

func (p *stallProxy) forward(ctx context.Context, to, from net.Conn, limit *atomic.Int64) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for total := int64(0); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if total += int64(n); limit.Load() > 0 && total > limit.Load() && p.connection.Add(-1) >= 0 {
			p.stopped <- struct{}{}
			<-ctx.Done()
			return
		}
		if p.slow.Load() {
			time.Sleep(5 * time.Millisecond)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A transfer over a connection that stops to move is tried again over another.
func TestStalledConnection(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	proxy := newStallProxy(t, server)
	large := fstest.MapFS{"weights.bin": {Data: make([]byte, 4<<20)}}
	small := fstest.MapFS{"weights.bin": {Data: make([]byte, 64<<10)}}
	straight := mr.New(storeAt(t, s3Bucket(t, s3Client(server, nil), bucket), ""), nil)
	registrytest.Put(t, straight, fraud.In(mr.Production), large)
	r := mr.New(storeAt(t, s3Bucket(t, s3Client(proxy.addr, nil), bucket), ""), nil)

	proxy.connection.Store(1)
	proxy.down.Store(1 << 20)
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatalf("a download that stopped: %v", err)
	}
	m.Close()
	proxy.down.Store(0)

	proxy.connection.Store(1)
	proxy.up.Store(32 << 10)
	if _, err := r.Register(t.Context(), fraud, mr.FromFS(small), nil); err != nil {
		t.Errorf("an upload that stopped: %v", err)
	}
	if n := len(proxy.stopped); n != 2 {
		t.Errorf("%d connections stopped, want 2", n)
	}
	if report, err := straight.Verify(t.Context(), nil); err != nil || report.Versions != 2 || len(report.Findings) > 0 {
		t.Errorf("Verify: got %v, error %v", report, err)
	}
}

// The parts of a large file whose upload was given up are removed, although the
// context of the registration has ended.
func TestGivenUpUploadLeavesNoParts(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	proxy := newStallProxy(t, server)
	proxy.slow.Store(true)
	r := mr.New(storeAt(t, s3Bucket(t, s3Client(proxy.addr, nil), bucket), ""), nil)
	client := s3Client(server, nil)
	uploads := func() int {
		list, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
		if err != nil {
			t.Error(err)
			return 0
		}
		return len(list.Uploads)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := registerLarge(ctx, r)
	for uploads() == 0 {
		select {
		case err := <-done:
			t.Fatalf("the registration ended before it was given up: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("registering: got error %v, want that of the context", err)
	}
	if n := uploads(); n > 0 {
		t.Errorf("the parts of %d uploads are left", n)
	}
	if left := keys(t, s3Bucket(t, client, bucket)); len(left) != 1 { // the marker
		t.Errorf("%q are left, want only the marker", left)
	}
}

func writeZeros(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// The same if the parts that are being sent stand still until their requests
// are ended.
func TestGivenUpStalledUploadLeavesNoParts(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	proxy := newStallProxy(t, server)
	proxy.connection.Store(4)
	proxy.up.Store(1 << 20)
	r := mr.New(storeAt(t, s3Bucket(t, s3Client(proxy.addr, nil), bucket), ""), nil)
	client := s3Client(server, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := registerLarge(ctx, r)
	for range 4 {
		select {
		case <-proxy.stopped:
		case err := <-done:
			t.Fatalf("the registration ended before it was given up: %v", err)
		}
	}
	if len(unfinished(t, client)) != 1 {
		t.Error("no upload in parts has begun")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("registering: got error %v, want that of the context", err)
	}
	if left := unfinished(t, client); len(left) > 0 {
		t.Errorf("the parts of %v are left", left)
	}
}

// registerLarge registers a version of 100 MiB, and then sends the error.
func registerLarge(ctx context.Context, r *mr.ModelRegistry) <-chan error {
	done := make(chan error, 1)
	go func() {
		large := mr.FromFunc(func(dir string) error { return writeZeros(filepath.Join(dir, "weights.bin"), 100<<20) })
		_, err := r.Register(ctx, fraud, large, nil)
		done <- err
	}()
	return done
}
