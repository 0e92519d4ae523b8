package objectstore_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

var (
	fraud = mr.ModelName{UseCase: "fraud_detection", Model: "FraudRiskModel"}
	files = fstest.MapFS{
		"weights.bin":   {Data: []byte("weights")},
		"sub/conf.json": {Data: []byte("{}")},
		"run.sh":        {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
	}
)

func newStore(t testing.TB, b *blob.Bucket, opts *objectstore.Options) *objectstore.Store {
	t.Helper()
	var o objectstore.Options
	if opts != nil {
		o = *opts
	}
	if o.CacheDir == "" {
		o.CacheDir = t.TempDir()
	}
	s, err := objectstore.New(b, &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConforms(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	cache := t.TempDir()
	open := func() (mr.Store, error) {
		return objectstore.New(b, &objectstore.Options{Prefix: "team/models", CacheDir: cache})
	}
	lossy := func() (mr.Store, func(), error) {
		s, err := open()
		var n atomic.Int64
		return s, func() { f.loseNext("history/", n.Add(1)) }, err
	}
	write := func(name mr.ModelName, document []byte) error {
		return f.b.WriteAll(context.Background(), "team/models/"+name.String()+"/registry.json", document, nil)
	}
	registrytest.TestStore(t, open, &registrytest.StoreOptions{Lossy: lossy, WriteDocument: write, LoseIndex: loseIndex(f.b, "team/models/")})
	for key := range f.dump(t) {
		if !strings.HasPrefix(key, "team/models/") {
			t.Errorf("%s lies outside the prefix", key)
		}
		if strings.Contains(key, "/.staging/") {
			t.Errorf("%s is left over from an upload", key)
		}
	}
}

// lostAnswer returns the error of a client when the answer to a conditional
// write was lost. Either the client got no answer, or it tried again by itself
// and found its own first attempt.
func lostAnswer(n int64) error {
	return []error{
		errors.New("connection reset by peer"),
		&codedError{gcerrors.FailedPrecondition, "PreconditionFailed"},
		misread(http.StatusPreconditionFailed, "PreconditionFailed"),
		misread(0, "connection reset by peer"),
		&apiError{"ConditionalRequestConflict"},
	}[n%5]
}

// loseNext loses the answer to the next write of a key that contains part.
func (f *faultyBucket) loseNext(part string, n int64) {
	var done atomic.Bool
	f.set(func() {
		f.after = func(op, key string) error {
			if op == "put" && strings.Contains(key, part) && !done.Swap(true) {
				return lostAnswer(n)
			}
			return nil
		}
	})
}

// The driver for S3 misreads an error whose request id contains "301". The
// store does not report a missing bucket or a missing object then. A refused
// condition is reported as one, and a broken connection is tried again.
func TestMisreadErrors(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	registrytest.NewOn(t, newStore(t, b, nil), nil) // makes the marker
	var once sync.Map
	f.set(func() {
		f.after = func(op, key string) error {
			if op == "put" && strings.HasSuffix(key, ".modelregistry.json") {
				return misread(http.StatusPreconditionFailed, "PreconditionFailed")
			}
			return nil
		}
		f.before = func(op, key string) error {
			if op == "put" {
				return nil
			}
			if _, again := once.LoadOrStore(op, true); again {
				return nil
			}
			return misread(0, "dial tcp 10.0.0.1:30143: connect: connection refused")
		}
	})
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	if _, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.GetModel(t.Context(), fraud.In(mr.Development), nil); err != nil {
		t.Error(err)
	}
	for _, op := range []string{"get", "list"} {
		if _, failed := once.Load(op); !failed {
			t.Errorf("no request of kind %s failed", op)
		}
	}
}

// Every kind of answer is lost at some time. A change that was acknowledged
// exists exactly once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	var n atomic.Int64
	f.set(func() {
		f.after = func(op, key string) error {
			if op != "put" || n.Add(1)%3 != 0 {
				return nil
			}
			if strings.Contains(key, "/history/") {
				return lostAnswer(n.Load() / 3)
			}
			return lostAnswer(0)
		}
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acked []string
	for range 4 {
		r := registrytest.NewOn(t, newStore(t, b, nil), nil)
		wg.Go(func() {
			for range 10 {
				v, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil)
				if err != nil {
					t.Error(err)
					continue
				}
				mu.Lock()
				acked = append(acked, v.Version)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	list, err := registrytest.NewOn(t, newStore(t, b, nil), nil).ListVersions(t.Context(), fraud)
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, v := range list {
		there = append(there, v.Version)
	}
	slices.Sort(there)
	slices.Sort(acked)
	if diff := cmp.Diff(acked, there); diff != "" {
		t.Errorf("versions (-acknowledged +found):\n%s", diff)
	}
}

// If the answer to a write never comes, and the store can't find out what
// happened, the write is neither a success nor a failure.
func TestUncertain(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := mr.New(newStore(t, b, nil), nil)
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "get" && strings.Contains(key, "-2.jsonl") && f.landed(key) {
				return errors.New("no route to host")
			}
			return nil
		}
		f.after = func(op, key string) error {
			if op == "put" && strings.Contains(key, "history/") {
				return errors.New("connection reset by peer")
			}
			return nil
		}
	})
	_, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil)
	if !errors.Is(err, mr.ErrUncertain) {
		t.Errorf("got error %v, want ErrUncertain", err)
	}
	f.set(func() { f.before, f.after = nil, nil })
	if m, err := r.GetModel(t.Context(), fraud.At("1.0.1"), &mr.GetOptions{Verify: true}); err != nil {
		t.Errorf("the change happened, and its files are missing: %v", err)
	} else {
		m.Close()
	}
}

func (f *faultyBucket) landed(key string) bool {
	there, err := f.b.Exists(context.Background(), key)
	return there && err == nil
}

// Bad input is a typed error that names the cause, and nothing is written.
func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	foreign := func(keys ...string) func(f *faultyBucket) {
		return func(f *faultyBucket) {
			for _, key := range keys {
				f.b.WriteAll(context.Background(), key, []byte("x"), nil)
			}
		}
	}
	fails := func(op string, err error) func(f *faultyBucket) {
		return func(f *faultyBucket) {
			f.before = func(o, _ string) error {
				if o == op {
					return err
				}
				return nil
			}
		}
	}
	unimplemented := &codedError{gcerrors.Unimplemented, "NotImplemented"}
	tests := []struct {
		name    string
		prepare func(f *faultyBucket)
		want    error
	}{
		{"no bucket", fails("list", &codedError{gcerrors.NotFound, "NoSuchBucket"}), objectstore.ErrNoBucket},
		{"a bucket in another region, misread", fails("list", misread(http.StatusMovedPermanently, "301")), objectstore.ErrRegion},
		{"no permission, misread as no bucket", fails("list", misread(http.StatusForbidden, "AccessDenied")), fs.ErrPermission},
		{"no permission to list", fails("list", &codedError{gcerrors.PermissionDenied, "AccessDenied"}), fs.ErrPermission},
		{"no permission to write", fails("put", &codedError{gcerrors.PermissionDenied, "AccessDenied"}), fs.ErrPermission},
		{"another region", fails("list", &apiError{"PermanentRedirect"}), objectstore.ErrRegion},
		{"conditions are ignored", func(f *faultyBucket) { f.unconditional = true }, objectstore.ErrNotConditional},
		{"conditions are unknown", func(f *faultyBucket) { f.unknown = unimplemented }, objectstore.ErrNotConditional},
		{"conditions are a bad request", func(f *faultyBucket) { f.unknown = misread(http.StatusBadRequest, "InvalidArgument") }, objectstore.ErrNotConditional},
		{"something else is unknown", fails("put", unimplemented), unimplemented},
		{"other files", foreign("readme.txt"), objectstore.ErrForeign},
		{"another program's experiments", foreign("0/abc/artifacts/model", "0/abc/meta.yaml"), objectstore.ErrForeign},
		{"another program's tables", foreign("db/table/part-0"), objectstore.ErrForeign},
		{"a later format", foreign(".modelregistry.json"), objectstore.ErrForeign},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, b := newFaulty(t)
			tt.prepare(f)
			before := f.dump(t)
			r := mr.New(newStore(t, b, nil), nil)
			_, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil)
			var request *objectstore.Error
			if !errors.Is(err, tt.want) || !errors.As(err, &request) {
				t.Errorf("got error %v, want an *Error that matches %v", err, tt.want)
			}
			if tt.want != objectstore.ErrNotConditional && errors.Is(err, objectstore.ErrNotConditional) {
				t.Errorf("got error %v, which blames conditional writes", err)
			}
			if diff := cmp.Diff(before, f.dump(t)); diff != "" {
				t.Errorf("the bucket was changed:\n%s", diff)
			}
		})
	}
}

// An apiError is an error with a code, like those of the AWS SDK.
type apiError struct{ code string }

func (e *apiError) Error() string     { return "api error " + e.code }
func (e *apiError) ErrorCode() string { return e.code }

// gocloud.dev's bucket in a folder lets several writers win.
func TestFolderBucketIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := fileblob.OpenBucket(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = mr.New(newStore(t, b, nil), nil).Register(t.Context(), fraud, mr.FromFS(files), nil)
	if !errors.Is(err, objectstore.ErrNotConditional) {
		t.Errorf("got error %v, want ErrNotConditional", err)
	}
	if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
		t.Errorf("in the folder: %v, %v", list, err)
	}
	for _, url := range []string{"file://" + dir, "file:///tmp", "s3://", "mem", "://"} {
		if s, err := objectstore.Open(t.Context(), url, nil); err == nil {
			s.Close()
			t.Errorf("Open(%s) succeeded", url)
		}
	}
}

// Models ignores keys under the prefix that are not models, and names that are
// not valid.
func TestKeysThatAreNotModels(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	for _, key := range []string{"stray", "uc/stray", "uc/m/stray", ".hidden/m/registry.json", "uc/.m/registry.json", "uc//registry.json", "a/b/c/d/registry.json"} {
		if err := f.b.WriteAll(t.Context(), key, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	var names []mr.ModelName
	for name, err := range r.Models(t.Context()) {
		if err != nil {
			t.Error(err)
		}
		names = append(names, name)
	}
	if diff := cmp.Diff([]mr.ModelName{fraud}, names); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	if err := f.b.WriteAll(t.Context(), "uc/odd/history/0000-x.jsonl", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ListVersions(t.Context(), mr.ModelName{UseCase: "uc", Model: "odd"}); !errors.Is(err, objectstore.ErrForeign) {
		t.Errorf("another program's history: got error %v, want ErrForeign", err)
	}
	f.b.Delete(t.Context(), "uc/odd/history/0000-x.jsonl")
}

// Consoles leave empty objects that look like folders. They do no harm.
func TestFolderObjects(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	mark := func(keys ...string) {
		for _, key := range keys {
			if err := f.b.WriteAll(t.Context(), key, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	mark("models/")
	open := func() *mr.ModelRegistry {
		return registrytest.NewOn(t, newStore(t, b, &objectstore.Options{Prefix: "models"}), nil)
	}
	registrytest.Put(t, open(), fraud.At("1.0.0"), files)
	model := "models/" + fraud.String() + "/"
	mark(model, model+"history/", model+"versions/", model+"versions/1.0.1/", model+".staging/")
	registrytest.Put(t, open(), fraud.At("1.0.1"), files)
	registrytest.WantStages(t, open(), fraud, map[string]mr.ModelStage{"1.0.0": mr.Development, "1.0.1": mr.Development})
}

// The number of requests of each operation is the cost of such a store.
// docs/scale.md has these numbers.
func TestRequests(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	s := newStore(t, b, nil)
	r := registrytest.NewOn(t, s, nil)
	one := fstest.MapFS{"weights.bin": {Data: []byte("weights")}}
	registrytest.Put(t, r, fraud.In(mr.Production), one)
	f.requests()
	check := func(what string, want map[string]int) {
		t.Helper()
		if diff := cmp.Diff(want, f.requests()); diff != "" {
			t.Errorf("requests to %s (-want +got):\n%s", what, diff)
		}
	}
	get := func(r *mr.ModelRegistry) {
		t.Helper()
		m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	get(r)
	f.requests()
	get(r)
	check("get an unchanged model", map[string]int{"head": 1})

	other := mr.New(newStore(t, b, nil), nil)
	get(other)
	check("get a model on another machine for the first time", map[string]int{"list": 1, "get": 6})

	registrytest.Put(t, r, fraud.At(""), one)
	check("register a version of one file", map[string]int{"get": 2, "put": 6, "head": 3, "list": 1, "copy": 4, "delete": 4})

	if _, err := r.Promote(t.Context(), fraud.At("1.0.1"), mr.Staging, nil); err != nil {
		t.Fatal(err)
	}
	check("promote it, its files checked", map[string]int{"get": 3, "put": 2, "head": 5})
}

// Changes that wait for each other share an object.
func TestChangesShareAnObject(t *testing.T) {
	t.Parallel()
	f, b := newFaulty(t)
	r := registrytest.NewOn(t, newStore(t, b, nil), nil)
	registrytest.Put(t, r, fraud.At("1.0.0"), files)
	hold := make(chan struct{})
	f.set(func() {
		f.before = func(op, key string) error {
			if op == "put" && strings.Contains(key, "-2.jsonl") {
				<-hold
			}
			return nil
		}
	})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := r.Register(t.Context(), fraud, mr.FromFS(files), nil); err != nil {
				t.Error(err)
			}
		})
	}
	for { // wait until all uploads but that of the first change have ended
		n := 0
		for key := range f.dump(t) {
			if strings.Contains(key, "/.staging/") && strings.HasSuffix(key, "/manifest.json") {
				n++
			}
		}
		if n == 64 {
			break
		}
		runtime.Gosched()
	}
	close(hold)
	wg.Wait()
	slots := 0
	for key := range f.dump(t) {
		if strings.Contains(key, "/history/") {
			slots++
		}
	}
	if slots > 10 {
		t.Errorf("64 registrations made %d objects", slots)
	}
}

func TestMemblobServes(t *testing.T) {
	t.Parallel()
	b := memblob.OpenBucket(nil)
	defer b.Close()
	s := newStore(t, b, nil)
	r := mr.New(s, nil)
	registrytest.Put(t, r, fraud.In(mr.Production), files)
	m, err := r.GetModel(t.Context(), fraud.In(mr.Production), &mr.GetOptions{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	info, err := os.Stat(filepath.Join(m.Path, "run.sh"))
	if err != nil || info.Mode().Perm()&0o111 == 0 || info.Mode().Perm()&0o222 != 0 {
		t.Errorf("a file with mode 0755 has %v, %v", info.Mode(), err)
	}
	if report, err := r.Verify(t.Context(), nil); err != nil || len(report.Findings) > 0 || report.Versions != 1 {
		t.Errorf("Verify: %+v, %v", report, err)
	}
	if _, err := r.Repair(t.Context(), fraud, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Repair: got error %v, want errors.ErrUnsupported", err)
	}
}
