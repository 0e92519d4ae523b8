package servertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	"github.com/versity/versitygw/backend/posix"
	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// begin sends one part of a large file, as a process that is then killed.
func begin(t *testing.T, client *s3.Client, key string) {
	t.Helper()
	up, err := client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err == nil {
		_, err = client.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: aws.String(bucket), Key: aws.String(key), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(make([]byte, 1000)),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unfinished lists the keys of the uploads in parts that are not finished.
func unfinished(t *testing.T, client *s3.Client) map[string]bool {
	t.Helper()
	list, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, u := range list.Uploads {
		keys[aws.ToString(u.Key)] = true
	}
	return keys
}

// Sweep removes the parts of large files that a killed process left, of its own
// models only, and only if they are old.
func TestSweepOfUnfinishedUploads(t *testing.T) {
	t.Parallel()
	client := s3Client(s3Server(t), nil)
	b := s3Bucket(t, client, bucket)
	registrytest.Put(t, mr.New(storeAt(t, b, "ours"), nil), fraud.At("1.0.0"), files)
	id := strings.Repeat("0a", 16)
	model := "fraud_detection/FraudRiskModel/"
	keys := map[string]bool{ // whether a sweep of the model removes it
		"ours/" + model + ".staging/" + id + "/model/weights.bin":                    true,
		"ours/" + model + "versions/1.0.1/model/weights.bin":                         true,
		"ours/" + model + "notes/film.mp4":                                           false,
		"ours/fraud_detection/FraudRiskModel2/.staging/" + id + "/model/weights.bin": false,
		"ours/churn/First/.staging/" + id + "/model/weights.bin":                     false,
		"ours/film.mp4": false,
		"other/" + model + ".staging/" + id + "/model/weights.bin": false,
	}
	for key := range keys {
		begin(t, client, key)
	}
	all := &objectstore.SweepOptions{OlderThan: time.Nanosecond}
	sweep := func(b *blob.Bucket, prefix string, opts objectstore.SweepOptions) []objectstore.Swept {
		t.Helper()
		done, err := storeAt(t, b, prefix).Sweep(t.Context(), fraud, &opts)
		if err != nil {
			t.Fatalf("Sweep: %v", err)
		}
		return done
	}
	left := func(want func(key string) bool) {
		t.Helper()
		got := unfinished(t, client)
		for key := range keys {
			if got[key] != want(key) {
				t.Errorf("%s: an unfinished upload is there: %t, want %t", key, got[key], want(key))
			}
		}
	}

	if done := sweep(b, "ours", objectstore.SweepOptions{Apply: true}); len(done) > 0 {
		t.Errorf("Sweep of young uploads: got %v, want nothing", done)
	}
	done := sweep(b, "ours", *all)
	if len(done) != 2 {
		t.Errorf("Sweep without Apply: got %v, want 2 uploads", done)
	}
	for _, d := range done {
		if !keys["ours/"+model+d.Unfinished] || d.Bytes != 1000 || time.Since(d.Newest) > time.Hour || d.Name != fraud || d.Upload == "" {
			t.Errorf("Sweep without Apply: got %+v, want the key, 1000 bytes and the age", d)
		}
	}
	left(func(string) bool { return true })
	// The driver shows keys below another prefix here.
	apply := objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: true}
	if done := sweep(blob.PrefixedBucket(s3Bucket(t, client, bucket), "ours/"), "", apply); len(done) != 2 {
		t.Errorf("Sweep: got %v, want 2 uploads", done)
	}
	left(func(key string) bool { return !keys[key] })

	if done, err := storeAt(t, b, "ours").SweepAll(t.Context(), &apply); err != nil || len(done) != 2 {
		t.Errorf("SweepAll: got %v, error %v, want 2 uploads of other models", done, err)
	}
	left(func(key string) bool { return strings.HasSuffix(key, ".mp4") || strings.HasPrefix(key, "other/") })
}

// An upload in parts that is older than its registration's other files belongs
// to a registration that is under way.
func TestSweepSparesPartsUnderWay(t *testing.T) {
	t.Parallel()
	server, folder := s3ServerOnDisk(t)
	client := s3Client(server, nil)
	b := s3Bucket(t, client, bucket)
	registrytest.Put(t, mr.New(storeAt(t, b, ""), nil), fraud.At("1.0.0"), files)
	dir := "fraud_detection/FraudRiskModel/.staging/" + strings.Repeat("0a", 16) + "/"
	begin(t, client, dir+"model/large.bin")
	parts, err := filepath.Glob(filepath.Join(folder, posix.MetaTmpMultipartDir, "*", "*"))
	if err != nil || len(parts) != 1 {
		t.Fatalf("the server keeps uploads in %q, %v; want one", parts, err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	err = filepath.WalkDir(parts[0], func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(name, hourAgo, hourAgo))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.WriteAll(t.Context(), dir+"model/small.bin", nil, nil); err != nil {
		t.Fatal(err)
	}
	old := &objectstore.SweepOptions{OlderThan: 30 * time.Minute, Apply: true}
	done, err := storeAt(t, b, "").Sweep(t.Context(), fraud, old)
	if err != nil || len(done) > 0 || !unfinished(t, client)[dir+"model/large.bin"] {
		t.Errorf("Sweep: got %v, error %v, want nothing", done, err)
	}
	if err := b.Delete(t.Context(), dir+"model/small.bin"); err != nil {
		t.Fatal(err)
	}
	if done, err := storeAt(t, b, "").Sweep(t.Context(), fraud, old); err != nil || len(done) != 1 {
		t.Errorf("Sweep without the other file: got %v, error %v, want the upload", done, err)
	}
}

// A user without the right to list unfinished uploads can sweep the rest.
func TestSweepWithoutRightToListUploads(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	p := &pickyProxy{status: 403, body: fmt.Sprintf(s3Error, "AccessDenied", "no right to list %s"), refuse: func(r *http.Request) string {
		if r.URL.Query().Has("uploads") {
			return "uploads"
		}
		return ""
	}}
	newPickyProxy(t, server, p, false)
	b := s3Bucket(t, p.client(aws.RequestChecksumCalculationUnset), bucket)
	registrytest.Put(t, mr.New(storeAt(t, b, ""), nil), fraud.At("1.0.0"), files)
	if err := b.WriteAll(t.Context(), "fraud_detection/FraudRiskModel/.staging/"+strings.Repeat("0a", 16)+"/model/small.bin", nil, nil); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := objectstore.New(b, &objectstore.Options{CacheDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.SweepAll(t.Context(), &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: true})
	if err != nil || len(done) != 1 || done[0].Objects != 1 {
		t.Errorf("SweepAll: got %v, error %v, want the dead upload", done, err)
	}
	if !strings.Contains(log.String(), "no right to list uploads") {
		t.Errorf("the log is %q, want a warning", log.String())
	}
}

// The listing of unfinished uploads has pages.
func TestSweepOfManyUnfinishedUploads(t *testing.T) {
	t.Parallel()
	pages := 0
	client := s3Client(s3Server(t), func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("small pages", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				if list, ok := in.Parameters.(*s3.ListMultipartUploadsInput); ok {
					list.MaxUploads = aws.Int32(10)
					pages++
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
		})
	})
	b := s3Bucket(t, client, bucket)
	registrytest.Put(t, mr.New(storeAt(t, b, ""), nil), fraud.At("1.0.0"), files)
	const n = 25
	for i := range n {
		begin(t, client, fmt.Sprintf("fraud_detection/FraudRiskModel/.staging/%032x/model/large.bin", i))
	}
	done, err := storeAt(t, b, "").Sweep(t.Context(), fraud, &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: true})
	if err != nil || len(done) != n || pages != 3 || len(unfinished(t, client)) > 0 {
		t.Errorf("Sweep: got %d uploads in %d pages, error %v, want %d in 3", len(done), pages, err, n)
	}
}
