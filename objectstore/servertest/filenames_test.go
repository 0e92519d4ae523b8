package servertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"google.golang.org/api/iterator"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/pathname"
	"github.com/ubunye-go/modelregistry/objectstore"
)

// A rawService is a bucket that is reached in two ways: as the store does, and
// as a tool does that copies a folder. The tool's keys are paths and are not
// escaped.
type rawService struct {
	bucket *blob.Bucket
	put    func(ctx context.Context, key string, data []byte) error
	all    func(ctx context.Context, prefix string) (map[string]string, error)
}

// fileNames returns paths of files, some accepted in an artifact and some
// refused: one with each ASCII character, and other paths that a service could
// change.
func fileNames() (accepted, refused []string) {
	names := []string{
		"ü✓", " before", "after ", ".hidden", "..a", "a..b", "_0x41_", "__0x__", "readme", "README", "sub/dir/x", "aux", strings.Repeat("deep/", 100) + "x",
		"no\uffffcharacter", "no\ufffecharacter", "__0x41__", "up../x", "sub/.../x",
	}
	for c := rune(1); c < 0x80; c++ {
		if c != '/' {
			names = append(names, fmt.Sprintf("c%cc", c))
		}
	}
	for _, name := range names {
		ok := true
		for _, s := range strings.Split(name, "/") {
			ok = ok && pathname.CheckFile(s) == nil
		}
		if ok {
			accepted = append(accepted, name)
		} else {
			refused = append(refused, name)
		}
	}
	return accepted, refused
}

// Files with accepted names survive copies by other tools: of the model's
// folder into a bucket, and of its bucket to a folder.
func TestFileNamesSurviveACopy(t *testing.T) {
	t.Parallel()
	accepted, _ := fileNames()
	source := fstest.MapFS{}
	for _, name := range accepted {
		source[name] = &fstest.MapFile{Data: []byte(name)}
	}
	register := func(t *testing.T, r *mr.ModelRegistry) {
		t.Helper()
		v, err := r.Register(t.Context(), fraud, mr.FromFS(source), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Promote(t.Context(), fraud.At(v.Version), mr.Production, nil); err != nil {
			t.Fatal(err)
		}
	}
	whole := func(t *testing.T, what string, r *mr.ModelRegistry) {
		t.Helper()
		if report, err := r.Verify(t.Context(), nil); err != nil || report.Versions != 1 || len(report.Problems()) > 0 {
			t.Errorf("%s: Verify checked %d versions and found %v, %v", what, report.Versions, report.Problems(), err)
		}
		m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer m.Close()
		for _, name := range accepted {
			if data, err := os.ReadFile(filepath.Join(m.Path, filepath.FromSlash(name))); err != nil || string(data) != name {
				t.Errorf("%s: %q holds %q, %v", what, name, data, err)
			}
		}
	}
	for what, connect := range rawServices {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := connect(t)
			inBucket := func(prefix string) *mr.ModelRegistry {
				store, err := objectstore.New(s.bucket, &objectstore.Options{Prefix: prefix, CacheDir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				return mr.New(store, nil)
			}
			dir := t.TempDir()
			register(t, open(t, dir))
			err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					return err
				}
				return s.put(t.Context(), "copied/"+name, data)
			})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, "copied into a bucket", inBucket("copied"))

			register(t, inBucket("made"))
			whole(t, "in a bucket", inBucket("made"))
			all, err := s.all(t.Context(), "made/")
			if err != nil {
				t.Fatal(err)
			}
			dir = t.TempDir()
			for key, data := range all {
				name := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(key, "made/")))
				if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			whole(t, "copied from a bucket", open(t, dir))
		})
	}
}

// Each refused name would be lost on the way into or out of a bucket of some
// service: it is not found, not listed, or is another name there.
func TestRefusedFileNamesDoNotSurvive(t *testing.T) {
	t.Parallel()
	_, refused := fileNames()
	var running []rawService
	for _, connect := range rawServices {
		running = append(running, connect(t))
	}
	for i, name := range refused {
		survives := true
		for _, s := range running {
			survives = survives && copies(t.Context(), s, fmt.Sprintf("%d/", i), name)
		}
		if survives {
			t.Errorf("%q is refused, but survives on each service", name)
		}
	}
}

// copies reports whether an object survives a copy in and a copy out.
func copies(ctx context.Context, s rawService, prefix, name string) bool {
	in, out := prefix+"in/"+name, prefix+"out/"+name
	if s.put(ctx, in, []byte(name)) != nil || s.bucket.WriteAll(ctx, out, []byte(name), nil) != nil {
		return false
	}
	if data, err := s.bucket.ReadAll(ctx, in); err != nil || string(data) != name {
		return false
	}
	listed, err := s.bucket.List(&blob.ListOptions{Prefix: prefix + "in/"}).Next(ctx)
	if err != nil || listed.Key != in {
		return false
	}
	all, err := s.all(ctx, prefix+"out/")
	return err == nil && all[out] == name
}

var rawServices = map[string]func(t *testing.T) rawService{"S3": rawS3, "GCS": rawGCS, "Azure": rawAzure}

func rawS3(t *testing.T) rawService {
	client := s3Client(s3Server(t), nil)
	return rawService{
		bucket: s3Bucket(t, client, bucket),
		put: func(ctx context.Context, key string, data []byte) error {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(data)})
			return err
		},
		all: func(ctx context.Context, prefix string) (map[string]string, error) {
			found := map[string]string{}
			pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: &prefix})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, o := range page.Contents {
					got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: o.Key})
					if err != nil {
						return nil, err
					}
					if found[*o.Key], err = readAll(got.Body); err != nil {
						return nil, err
					}
				}
			}
			return found, nil
		},
	}
}

func rawGCS(t *testing.T) rawService {
	b := gcsBucket(t, gcsServer(t), bucket)
	var client *storage.Client
	if !b.As(&client) {
		t.Fatal("the bucket has no client")
	}
	raw := client.Bucket(bucket)
	return rawService{
		bucket: b,
		put: func(ctx context.Context, key string, data []byte) error {
			w := raw.Object(key).NewWriter(ctx)
			if _, err := w.Write(data); err != nil {
				return err
			}
			return w.Close()
		},
		all: func(ctx context.Context, prefix string) (map[string]string, error) {
			found := map[string]string{}
			for list := raw.Objects(ctx, &storage.Query{Prefix: prefix}); ; {
				o, err := list.Next()
				if err == iterator.Done {
					return found, nil
				}
				if err != nil {
					return nil, err
				}
				r, err := raw.Object(o.Name).NewReader(ctx)
				if err != nil {
					return nil, err
				}
				if found[o.Name], err = readAll(r); err != nil {
					return nil, err
				}
			}
		},
	}
}

func rawAzure(t *testing.T) rawService {
	client := azureClient(t, azureServer(t), bucket, azureKey)
	return rawService{
		bucket: azureBucket(t, client),
		put: func(ctx context.Context, key string, data []byte) error {
			_, err := client.NewBlockBlobClient(key).UploadBuffer(ctx, data, nil)
			return err
		},
		all: func(ctx context.Context, prefix string) (map[string]string, error) {
			found := map[string]string{}
			for pages := client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix}); pages.More(); {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, o := range page.Segment.BlobItems {
					got, err := client.NewBlobClient(*o.Name).DownloadStream(ctx, nil)
					if err != nil {
						return nil, err
					}
					if found[*o.Name], err = readAll(got.Body); err != nil {
						return nil, err
					}
				}
			}
			return found, nil
		},
	}
}

func readAll(r io.ReadCloser) (string, error) {
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}
