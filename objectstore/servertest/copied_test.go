package servertest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// events reads a history, and checks that Verify finds nothing.
func events(t testing.TB, r *mr.ModelRegistry) (list []mr.Event) {
	t.Helper()
	for e, err := range r.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Problems()) > 0 {
		t.Errorf("Verify: %v, %v", report.Problems(), err)
	}
	return list
}

func open(t testing.TB, dir string) *mr.ModelRegistry {
	t.Helper()
	r, err := mr.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// The files of a real S3 server are the copy that a tool would make of its
// bucket. They are a store with all of the history, although registry.json is
// older. Changes made on disk get into other buckets, S3 and GCS, with the
// history too.
func TestServerFilesAreAStore(t *testing.T) {
	t.Parallel()
	server, folder := s3ServerOnDisk(t)
	b := s3Bucket(t, s3Client(server, nil), bucket)
	on := func(b *blob.Bucket, prefix string) *mr.ModelRegistry {
		s, err := objectstore.New(b, &objectstore.Options{Prefix: prefix, CacheDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return mr.New(s, nil)
	}
	r := on(b, "models")
	large := &mr.RegisterOptions{Metrics: map[string]any{"curve": strings.Repeat("x", 50<<10)}}
	grow := func(r *mr.ModelRegistry, n int) {
		for range n {
			registrytest.PutWith(t, r, fraud.In(mr.Production), files, large)
		}
	}
	document := filepath.Join(fraud.UseCase, fraud.Model, "registry.json")
	grow(r, 3)
	old, err := os.ReadFile(filepath.Join(folder, "models", document))
	if err != nil {
		t.Fatal(err)
	}
	grow(r, 3)
	want := events(t, r)

	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(folder, "models"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, document), old, 0o666); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, events(t, open(t, dir))); diff != "" {
		t.Errorf("on disk (-want +got):\n%.2000s", diff)
	}
	grow(open(t, dir), 1)
	want = append(want, events(t, open(t, dir))[len(want):]...)
	if len(want) != 14 {
		t.Errorf("%d events on disk, want 14", len(want))
	}

	for name, b := range map[string]*blob.Bucket{"S3": b, "GCS": gcsBucket(t, gcsServer(t), bucket)} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(os.DirFS(dir), file)
			if err != nil {
				return err
			}
			return b.WriteAll(t.Context(), "again/"+file, data, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, events(t, on(b, "again"))); diff != "" {
			t.Errorf("on %s (-want +got):\n%.2000s", name, diff)
		}
		again := on(b, "again")
		grow(again, 1)
		got := events(t, on(b, "again"))
		if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" || len(got) != 16 {
			t.Errorf("on %s, changed there: %d events (-want +got):\n%.2000s", name, len(got), diff)
		}
	}
}
