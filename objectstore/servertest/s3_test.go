package servertest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
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

// Bad input is a typed error that names the cause.
func TestS3Refuses(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	tests := []struct {
		name   string
		bucket string
		change func(*s3.Options)
		want   error
	}{
		{"no bucket", "no-such-bucket", nil, objectstore.ErrNoBucket},
		{"another secret", bucket, func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(accessKey, "wrong", "")
		}, fs.ErrPermission},
		{"nobody known", bucket, func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("somebody", secretKey, "")
		}, fs.ErrPermission},
		{"another region", bucket, func(o *s3.Options) { o.Region = "eu-central-1" }, objectstore.ErrRegion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := objectstore.New(s3Bucket(t, s3Client(server, tt.change), tt.bucket), &objectstore.Options{CacheDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			r := mr.New(s, nil)
			if _, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); !errors.Is(err, tt.want) {
				t.Errorf("registering: got error %v, want %v", err, tt.want)
			}
			if _, err := r.ListVersions(t.Context(), fraud); !errors.Is(err, tt.want) {
				t.Errorf("listing: got error %v, want %v", err, tt.want)
			}
			for _, err := range r.Models(t.Context()) {
				if !errors.Is(err, tt.want) {
					t.Errorf("listing models: got error %v, want %v", err, tt.want)
				}
			}
		})
	}
	list, err := s3Client(server, nil).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil || len(list.Contents) > 0 {
		t.Errorf("in the bucket: %d objects, %v", len(list.Contents), err)
	}
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
