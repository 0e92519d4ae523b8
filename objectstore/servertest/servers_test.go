package servertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"github.com/versity/versitygw/backend/meta"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
	"google.golang.org/api/option"

	"github.com/ubunye-go/modelregistry/internal/storetest"
)

const (
	accessKey = "tester"
	secretKey = "not-a-secret"
	region    = "us-east-1"
	bucket    = "models"
)

// start runs a server until the test ends, and waits until its port answers.
func start(t testing.TB, addr string, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(2 * time.Minute); ; {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd.Path, output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", cmd.Path, err)
		}
	}
}

// hosts counts the addresses that freeAddr returned.
var hosts atomic.Int64

// freeAddr returns a loopback address that is not in use. Each has a host of
// its own if the system has several. Else another test could be given the same
// port before the server listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.1.%d:0", hosts.Add(1)%250+1))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// s3Server starts a real S3 server on a temporary folder and makes a bucket.
func s3Server(t testing.TB) (addr string) {
	t.Helper()
	addr, _ = s3ServerOnDisk(t)
	return addr
}

// s3ServerOnDisk is s3Server. It also returns the folder that has the bucket's
// objects as files.
func s3ServerOnDisk(t testing.TB) (addr, folder string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		storetest.Unavailable(t, "the S3 server keeps its data on Unix file systems")
	}
	addr = freeAddr(t)
	dir := filepath.Join(t.TempDir(), "buckets")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := (meta.XattrMeta{}).Test(dir); err != nil {
		storetest.Unavailable(t, fmt.Errorf("the S3 server needs extended attributes in the temporary folder: %w", err))
	}
	start(t, addr, gateway(addr, dir))
	client := s3Client(addr, nil)
	var err error
	for range 1000 {
		if _, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err == nil {
			return addr, filepath.Join(dir, bucket)
		}
		time.Sleep(20 * time.Millisecond) // the server listens before it is ready
	}
	t.Fatal(err)
	return "", ""
}

func s3Client(addr string, change func(*s3.Options)) *s3.Client {
	o := s3.Options{
		BaseEndpoint: aws.String("http://" + addr), Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	}
	if change != nil {
		change(&o)
	}
	return s3.New(o)
}

// impatient makes a client retry as often as usual, but with short pauses,
// because the network is bad on purpose.
func impatient(o *s3.Options) {
	o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxBackoff = 50 * time.Millisecond })
}

func s3Bucket(t testing.TB, client *s3.Client, name string) *blob.Bucket {
	t.Helper()
	b, err := s3blob.OpenBucket(context.Background(), client, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// gcsServer starts an emulator of GCS and makes a bucket.
func gcsServer(t testing.TB) (addr string) {
	t.Helper()
	addr = freeAddr(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: host, Port: uint16(number), PublicHost: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	return addr
}

// gcsBucket opens a bucket of the emulator at an address.
func gcsBucket(t testing.TB, addr, name string) *blob.Bucket {
	t.Helper()
	b, err := gcsblob.OpenBucket(t.Context(), gcp.NewAnonymousHTTPClient(http.DefaultTransport), name, &gcsblob.Options{ClientOptions: []option.ClientOption{
		option.WithoutAuthentication(), option.WithEndpoint("http://" + addr + "/storage/v1/"), storage.WithJSONReads(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
