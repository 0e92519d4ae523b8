package servertest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A refusal is a bucket that can't be used, and the cause that its errors name.
type refusal struct {
	name   string
	bucket *blob.Bucket
	want   error
}

func TestS3Refuses(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	open := func(name string, change func(*s3.Options)) *blob.Bucket {
		return s3Bucket(t, s3Client(server, change), name)
	}
	as := func(key, secret string) func(*s3.Options) {
		return func(o *s3.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(key, secret, "") }
	}
	refuses(t, open(bucket, nil), []refusal{
		{"no bucket", open("no-such-bucket", nil), objectstore.ErrNoBucket},
		{"another secret", open(bucket, as(accessKey, "wrong")), fs.ErrPermission},
		{"an unknown user", open(bucket, as("unknown", secretKey)), fs.ErrPermission},
		{"another region", open(bucket, func(o *s3.Options) { o.Region = "eu-central-1" }), objectstore.ErrRegion},
	})
}

// answering is a server that gives every request the same answer.
func answering(t *testing.T, status int, header, value, body string) (addr string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(header, value)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// The emulator of GCS accepts every user. So the test gives the answers of the
// real service to unauthorized users.
func TestGCSRefuses(t *testing.T) {
	t.Parallel()
	server := gcsServer(t)
	answers := func(status int, reason, message string) *blob.Bucket {
		body := fmt.Sprintf(`{"error": {"code": %d, "message": %q, "errors": [{"message": %q, "domain": "global", "reason": %q}]}}`, status, message, message, reason)
		return gcsBucket(t, answering(t, status, "Content-Type", "application/json; charset=UTF-8", body), bucket)
	}
	refuses(t, gcsBucket(t, server, bucket), []refusal{
		{"no bucket", gcsBucket(t, server, "no-such-bucket"), objectstore.ErrNoBucket},
		{"an unknown user", answers(401, "required", "Anonymous caller does not have storage.objects.list access to the Google Cloud Storage bucket."), fs.ErrPermission},
		{"bad credentials", answers(401, "authError", "Invalid Credentials"), fs.ErrPermission},
		{"no right", answers(403, "forbidden", "a@example.com does not have storage.objects.list access to the Google Cloud Storage bucket."), fs.ErrPermission},
	})
}

// The emulator of Azure has one of the service's refusals. The test gives the
// other answers.
func TestAzureRefuses(t *testing.T) {
	t.Parallel()
	server := azureServer(t)
	answers := func(status int, code string) *blob.Bucket {
		body := fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>No.</Message></Error>`, code)
		return azureBucket(t, azureClient(t, answering(t, status, "x-ms-error-code", code, body), bucket, azureKey))
	}
	refuses(t, azureBucket(t, azureClient(t, server, bucket, azureKey)), []refusal{
		{"no container", azureBucket(t, azureClient(t, server, "no-such-container", azureKey)), objectstore.ErrNoBucket},
		{"another key", azureBucket(t, azureClient(t, server, bucket, "Zm9yZ2VkLWtleQ==")), fs.ErrPermission},
		{"bad credentials", answers(403, "AuthenticationFailed"), fs.ErrPermission},
		{"no right", answers(403, "AuthorizationPermissionMismatch"), fs.ErrPermission},
		{"too narrow a signature", answers(403, "InsufficientAccountPermissions"), fs.ErrPermission},
		{"no credentials", answers(401, "NoAuthenticationInformation"), fs.ErrPermission},
	})
}

// refuses checks that bad input is a typed error that names the cause, and that
// nothing is written. It tries buckets that can't be used, another program's
// objects under the prefix, and keys that are not models.
func refuses(t *testing.T, good *blob.Bucket, list []refusal) {
	put := func(keys ...string) {
		for _, key := range keys {
			if err := good.WriteAll(t.Context(), key, []byte("x"), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("files/readme.txt", "experiments/0/abc/artifacts/model", "experiments/0/abc/meta.yaml", "tables/db/table/part-0", "later/.modelregistry.json")
	before := keys(t, good)
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			r := mr.New(storeAt(t, tt.bucket, ""), nil)
			check := func(what string, err error) {
				t.Helper()
				var request *objectstore.Error
				if !errors.Is(err, tt.want) || !errors.As(err, &request) {
					t.Errorf("%s: got error %v, want an *Error that matches %v", what, err, tt.want)
				}
			}
			_, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil)
			check("registering", err)
			_, err = r.ListVersions(t.Context(), fraud)
			check("listing", err)
			_, err = r.GetModel(t.Context(), fraud.In(mr.Production), nil)
			check("getting", err)
			for _, err := range r.Models(t.Context()) {
				check("listing models", err)
			}
		})
	}
	for _, prefix := range []string{"files", "experiments", "tables", "later"} {
		_, err := mr.New(storeAt(t, good, prefix), nil).Register(t.Context(), fraud, mr.FromFS(files), nil)
		var request *objectstore.Error
		if !errors.Is(err, objectstore.ErrForeign) || !errors.As(err, &request) {
			t.Errorf("%s: got error %v, want an *Error that matches ErrForeign", prefix, err)
		}
	}
	if diff := cmp.Diff(before, keys(t, good)); diff != "" {
		t.Errorf("the bucket was changed:\n%s", diff)
	}

	r := mr.New(storeAt(t, good, "ours"), nil)
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	put("ours/stray", "ours/uc/stray", "ours/uc/m/stray", "ours/.hidden/m/registry.json", "ours/uc/.m/registry.json")
	var names []mr.ModelName
	for name, err := range r.Models(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		names = append(names, name)
	}
	if diff := cmp.Diff([]mr.ModelName{fraud}, names); diff != "" {
		t.Errorf("models beside other keys (-want +got):\n%s", diff)
	}
	put("ours/uc/odd/history/0000-x.jsonl")
	if _, err := r.ListVersions(t.Context(), mr.ModelName{UseCase: "uc", Model: "odd"}); !errors.Is(err, objectstore.ErrForeign) {
		t.Errorf("another program's history: got error %v, want ErrForeign", err)
	}
}

func storeAt(t testing.TB, b *blob.Bucket, prefix string) *objectstore.Store {
	t.Helper()
	s, err := objectstore.New(b, &objectstore.Options{Prefix: prefix, CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keys lists a bucket.
func keys(t testing.TB, b *blob.Bucket) (keys []string) {
	t.Helper()
	for iter := b.List(nil); ; {
		o, err := iter.Next(t.Context())
		if err == io.EOF {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
}
