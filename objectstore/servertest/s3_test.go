package servertest

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/objectstore/internal/testhook"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var long = flag.Bool("long", false, "run long tests, too")

var (
	fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	files = fstest.MapFS{"weights.bin": {Data: []byte("weights")}}
)

// conforms runs the suite on a bucket of a server. at opens the bucket at an
// address: the server's own, or that of a proxy which loses answers.
func conforms(t *testing.T, server string, at func(addr string) *blob.Bucket) {
	b, cache := at(server), t.TempDir()
	on := func(b *blob.Bucket) (mr.Store, error) {
		return objectstore.New(b, &objectstore.Options{Prefix: "models", CacheDir: cache})
	}
	proxy := newProxy(t, server)
	lossy := func() (mr.Store, func(), error) {
		s, err := on(at(proxy.addr))
		return s, func() { proxy.loseNext.Store(true) }, err
	}
	write := func(name mr.ModelName, document []byte) error {
		return b.WriteAll(context.Background(), "models/"+name.String()+"/registry.json", document, nil)
	}
	lose := func(name mr.ModelName) error {
		model, ctx := "models/"+name.String()+"/", context.Background()
		for iter := b.List(&blob.ListOptions{Prefix: model + "history/"}); ; {
			o, err := iter.Next(ctx)
			if err == io.EOF {
				break
			}
			if err == nil {
				err = b.Delete(ctx, o.Key)
			}
			if err != nil {
				return err
			}
		}
		if there, err := b.Exists(ctx, model+"registry.json"); !there || err != nil {
			return err
		}
		return b.Delete(ctx, model+"registry.json")
	}
	registrytest.TestStore(t, func() (mr.Store, error) { return on(b) }, &registrytest.StoreOptions{Lossy: lossy, WriteDocument: write, LoseIndex: lose})
	if proxy.dropped.Load() == 0 {
		t.Error("no answer was lost")
	}
}

// A real S3 server.
func TestS3Conforms(t *testing.T) {
	t.Parallel()
	conforms(t, s3Server(t), func(addr string) *blob.Bucket { return s3Bucket(t, s3Client(addr, impatient), bucket) })
}

// fake-gcs-server is an emulator. The test shows that the driver and this store
// fit together.
func TestGCSConforms(t *testing.T) {
	t.Parallel()
	conforms(t, gcsServer(t), func(addr string) *blob.Bucket { return gcsBucket(t, addr, bucket) })
}

// A large file is uploaded in parts and read back unchanged. That includes a
// file that is too large for the service to copy, which passes through this
// process on the way to its place.
func TestS3LargeFile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size, copyMax int64
		copies        int
	}{
		"in parts":           {40<<20 + 12345, 5 << 30, 4},
		"too large to copy":  {20<<20 + 12345, 20<<20 + 12344, 3},
		"just copied":        {20<<20 + 12345, 20<<20 + 12345, 4},
		"one part, uncopied": {1 << 20, 1<<20 - 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &counter{count: map[string]int{}}
			b := s3Bucket(t, s3Client(s3Server(t), c.into), bucket)
			s := storeAt(t, b, "")
			testhook.ServerCopyMax(s, tt.copyMax)
			dir := t.TempDir()
			data := bytes.Repeat([]byte("0123456789abcdef"), int(tt.size/16+1))[:tt.size]
			if err := os.WriteFile(filepath.Join(dir, "weights.bin"), data, 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := registrytest.NewOn(t, s, nil).Register(t.Context(), fraud, mr.FromDir(dir), nil); err != nil {
				t.Fatal(err)
			}
			if n := c.take()["COPY"]; n != tt.copies {
				t.Errorf("the service copied %d files, want %d", n, tt.copies)
			}
			for _, key := range keys(t, b) {
				if strings.Contains(key, "/.staging/") {
					t.Errorf("%s is left over from the upload", key)
				}
			}
			m, err := registryOn(t, b).GetModel(t.Context(), fraud.At("1.0.0"), &mr.GetOptions{Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if got, err := os.ReadFile(filepath.Join(m.Path, "weights.bin")); err != nil || !bytes.Equal(got, data) {
				t.Errorf("the file changed: %d bytes, %v", len(got), err)
			}
		})
	}
}
