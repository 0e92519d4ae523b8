package servertest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A counter counts requests by what they are billed as.
type counter struct {
	mu    sync.Mutex
	count map[string]int
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	kind := r.Method
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
		kind = "LIST"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		kind = "COPY"
	}
	c.mu.Lock()
	c.count[kind]++
	c.mu.Unlock()
	return http.DefaultClient.Do(r)
}

// into has a client's requests counted.
func (c *counter) into(o *s3.Options) { o.HTTPClient = c }

func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.count
	c.count = map[string]int{}
	return count
}

// The numbers of docs/scale.md, counted on the wire: change both.
func TestRequestsAreAsDocumented(t *testing.T) {
	t.Parallel()
	server := s3Server(t)
	registry := func(cache string) (*mr.ModelRegistry, *counter) {
		c := &counter{count: map[string]int{}}
		b := s3Bucket(t, s3Client(server, func(o *s3.Options) { o.HTTPClient = c }), bucket)
		s, err := objectstore.New(b, &objectstore.Options{CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		return mr.New(s, nil), c
	}
	get := func(r *mr.ModelRegistry) {
		t.Helper()
		m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	check := func(what string, c *counter, want map[string]int) {
		t.Helper()
		if diff := cmp.Diff(want, c.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	w, c := registry(t.TempDir())
	registrytest.Put(t, w, fraud.In(mr.Production), files)
	check("the first registration in an empty bucket, promoted", c,
		map[string]int{"GET": 9, "HEAD": 8, "LIST": 5, "PUT": 10, "COPY": 4, "DELETE": 4})
	registrytest.Put(t, w, fraud.At(""), files)
	check("a registration", c, map[string]int{"GET": 1, "HEAD": 5, "LIST": 1, "PUT": 6, "COPY": 4, "DELETE": 4})
	if _, err := w.Archive(t.Context(), fraud, "1.0.1", nil); err != nil {
		t.Fatal(err)
	}
	check("a move", c, map[string]int{"GET": 1, "HEAD": 2, "PUT": 2})

	cache := t.TempDir()
	r, c := registry(cache)
	get(r)
	check("a machine's first look at a model, with its files", c, map[string]int{"LIST": 1, "GET": 6})
	get(r)
	check("a look at a model that did not change", c, map[string]int{"HEAD": 1})
	again, c2 := registry(cache)
	get(again)
	check("the first look of a process whose machine has the files", c2, map[string]int{"LIST": 1, "GET": 3})
	if _, err := w.Promote(t.Context(), fraud, "1.0.1", mr.Staging, nil); err != nil {
		t.Fatal(err)
	}
	c.take()
	get(r)
	check("a look at a model that changed once", c, map[string]int{"HEAD": 1, "GET": 2})
}

// Rates for docs/scale.md, printed.
func TestRates(t *testing.T) {
	if !*long {
		t.Skip("it measures; -long does")
	}
	server := s3Server(t)
	stores := map[string]func() (mr.Store, error){
		"a bucket on a local S3 server": func() (mr.Store, error) {
			return objectstore.New(s3Bucket(t, s3Client(server, nil), bucket), &objectstore.Options{CacheDir: t.TempDir()})
		},
	}
	dir := t.TempDir()
	stores["a folder"] = func() (mr.Store, error) { return mr.NewFolderStore(dir) }
	data := fstest.MapFS{"weights.bin": {Data: make([]byte, 1<<20)}}
	for name, open := range stores {
		s, err := open()
		if err != nil {
			t.Fatal(err)
		}
		r := mr.New(s, nil)
		registrytest.Put(t, r, fraud.In(mr.Production), data)
		rate := func(what string, callers, each int, fn func(caller, i int) error) {
			start := time.Now()
			var wg sync.WaitGroup
			for caller := range callers {
				wg.Go(func() {
					for i := range each {
						if err := fn(caller, i); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(start)
			n := callers * each
			t.Logf("%-30s %-45s %8.0f a second", name, what, float64(n)/took.Seconds())
		}
		register := func(int, int) error {
			_, err := r.Register(t.Context(), fraud, mr.FromFS(data), nil)
			return err
		}
		rate("register 1 MiB, 1 caller", 1, 50, register)
		rate("register 1 MiB, 64 callers", 64, 5, register)
		move := func(caller, i int) error {
			version := fmt.Sprintf("1.0.%d", caller+1)
			if i%2 == 0 {
				_, err := r.Archive(t.Context(), fraud, version, nil)
				return err
			}
			_, err := r.Promote(t.Context(), fraud, version, mr.Development, nil)
			return err
		}
		rate("move, 1 caller", 1, 100, move)
		rate("move, 64 callers", 64, 20, move)
		rate("get an unchanged model, 1 caller", 1, 500, func(int, int) error {
			m, err := r.GetModel(t.Context(), fraud.In(mr.Production), nil)
			if err == nil {
				err = m.Close()
			}
			return err
		})
		r.Close()
	}
	if entries, err := os.ReadDir(filepath.Join(dir, fraud.UseCase)); err != nil || len(entries) == 0 {
		t.Errorf("the folder: %v, %v", entries, err)
	}
}
