package servertest

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var long = flag.Bool("long", false, "take the time that it takes")

var (
	fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	files = fstest.MapFS{"weights.bin": {Data: []byte("weights")}}
)

// conforms runs the suite on a bucket of a server, given how to open it at an address: the
// server's own, or that of a network before it which loses answers.
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
	registrytest.TestStore(t, func() (mr.Store, error) { return on(b) }, &registrytest.StoreOptions{Lossy: lossy})
	if proxy.dropped.Load() == 0 {
		t.Error("no answer was lost")
	}
}

// A real S3 server.
func TestS3Conforms(t *testing.T) {
	t.Parallel()
	conforms(t, s3Server(t), func(addr string) *blob.Bucket { return s3Bucket(t, s3Client(addr, impatient), bucket) })
}

// GCS is an emulator: what it proves is that the driver and this store fit.
func TestGCSConforms(t *testing.T) {
	t.Parallel()
	conforms(t, gcsServer(t), func(addr string) *blob.Bucket { return gcsBucket(t, addr, bucket) })
}

// A large file goes up in parts, and comes back as it was.
func TestS3LargeFile(t *testing.T) {
	t.Parallel()
	b := s3Bucket(t, s3Client(s3Server(t), nil), bucket)
	r := registryOn(t, b)
	const size = 40<<20 + 12345
	dir := t.TempDir()
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Register(t.Context(), fraud, mr.FromDir(dir), nil); err != nil {
		t.Fatal(err)
	}
	m, err := registryOn(t, b).GetModel(t.Context(), fraud.At("1.0.0"), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	f, err := os.Open(filepath.Join(m.Path, "weights.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(data); !bytes.Equal(h.Sum(nil), want[:]) {
		t.Error("it is another file now")
	}
}
