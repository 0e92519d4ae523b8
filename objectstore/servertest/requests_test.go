package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/objectstore/internal/testhook"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// A counter counts requests by the kind that S3 bills.
type counter struct {
	mu     sync.Mutex
	count  map[string]int
	before func() // called once, before the next change is written
	each   func(kind string)
}

func (c *counter) Do(r *http.Request) (*http.Response, error) {
	kind := r.Method
	switch {
	case r.Method == http.MethodGet && (r.URL.Query().Has("list-type") || r.URL.Query().Has("uploads")):
		kind = "LIST"
	case r.Header.Get("X-Amz-Copy-Source") != "":
		kind = "COPY"
	}
	if r.Method == http.MethodPost { // part of an upload in parts; billed as a PUT
		kind = http.MethodPut
	}
	c.mu.Lock()
	c.count[kind]++
	if c.each != nil {
		c.each(kind)
	}
	before := c.before
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/history/") {
		c.before = nil
	} else {
		before = nil
	}
	c.mu.Unlock()
	if before != nil {
		before()
	}
	return http.DefaultClient.Do(r)
}

// into makes a client count its requests.
func (c *counter) into(o *s3.Options) { o.HTTPClient = c }

func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.count
	c.count = map[string]int{}
	return count
}

// documented reads the table of requests in docs/scale.md: for each operation,
// the number of requests of each kind.
func documented(t *testing.T) map[string]map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| what | ")
	header, table, _ := strings.Cut(table, "\n")
	kinds := strings.Split(strings.Trim(header, "| "), " | ")
	rows := map[string]map[string]int{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|--") || len(cells) != len(kinds)+1 {
			continue
		}
		row := map[string]int{}
		for i, kind := range kinds {
			if n, err := strconv.Atoi(strings.TrimSpace(cells[i+1])); err == nil {
				row[kind] = n
			}
		}
		rows[strings.TrimSpace(cells[0])] = row
	}
	return rows
}

// A tally compares the counted requests with the documented ones.
type tally struct {
	t    *testing.T
	rows map[string]map[string]int
	one  map[string]int // the requests of a registration
}

// check compares the requests since the last call, without those in less, with
// the documented ones.
func (y *tally) check(what string, c *counter, less map[string]int) map[string]int {
	y.t.Helper()
	got := c.take()
	more := maps.Clone(got)
	for kind, n := range less {
		if more[kind] -= n; more[kind] == 0 {
			delete(more, kind)
		}
	}
	if diff := cmp.Diff(y.rows[what], more); diff != "" {
		y.t.Errorf("%s (-documented +counted):\n%s", what, diff)
	}
	delete(y.rows, what)
	return got
}

// The test counts the requests of docs/scale.md at the HTTP client.
func TestRequestsAreAsDocumented(t *testing.T) {
	t.Parallel()
	server, y := s3Server(t), &tally{t: t, rows: documented(t)}
	open := func(cache string) (*mr.ModelRegistry, *objectstore.Store, *counter) {
		c := &counter{count: map[string]int{}}
		s, err := objectstore.New(s3Bucket(t, s3Client(server, c.into), bucket), &objectstore.Options{CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		return mr.New(s, nil), s, c
	}
	y.changes(open)
	y.reads(open)
	y.upkeep(open)
	y.shared(open, s3Bucket(t, s3Client(server, nil), bucket))
	for what := range y.rows {
		t.Errorf("the test does not count %q", what)
	}
}

type opener func(cache string) (*mr.ModelRegistry, *objectstore.Store, *counter)

func (y *tally) register(r *mr.ModelRegistry, files fstest.MapFS) (version string) {
	y.t.Helper()
	v, err := r.Register(y.t.Context(), fraud, mr.FromFS(files), nil)
	if err != nil {
		y.t.Fatal(err)
	}
	return v.Version
}

func (y *tally) archive(r *mr.ModelRegistry, version string) {
	y.t.Helper()
	if _, err := r.Archive(y.t.Context(), fraud.At(version), nil); err != nil {
		y.t.Fatal(err)
	}
}

func (y *tally) get(r *mr.ModelRegistry) {
	y.t.Helper()
	m, err := r.GetModel(y.t.Context(), fraud.In(mr.Production), nil)
	if err != nil {
		y.t.Fatal(err)
	}
	m.Close()
}

// changes makes 7 versions of a model, the first in production.
func (y *tally) changes(open opener) {
	t := y.t
	w, s, c := open(t.TempDir())
	registrytest.Put(t, w, fraud.In(mr.Production), files)
	y.check("the first registration in an empty bucket, and its promotion", c, nil)
	version := y.register(w, files)
	one := y.check("a registration", c, nil)
	y.one = one
	y.archive(w, version)
	move := y.check("a move", c, nil)
	y.register(w, fstest.MapFS{"weights.bin": {Data: []byte("weights")}, "labels.txt": {Data: []byte("labels")}})
	y.check("each further file of a registration", c, one)
	y.register(w, fstest.MapFS{"weights.bin": {Data: make([]byte, 100_000_000)}})
	y.check("a file of 100 MB, in place of a small one", c, one)
	testhook.ServerCopyMax(s, 99_999_999)
	y.register(w, fstest.MapFS{"weights.bin": {Data: make([]byte, 100_000_000)}})
	y.check("the same if the service could not copy it (as above 5 GiB)", c, one)

	w2, _, c2 := open(t.TempDir())
	version = y.register(w2, files)
	y.check("a process's first change, besides", c2, one)
	c.take()
	y.register(w, files) // w has now read the other change
	c.take()
	c.before = func() { y.archive(w2, version) } // another registry is first
	y.archive(w, "1.0.2")
	y.check("a change that loses a race, besides", c, move)
}

func (y *tally) reads(open opener) {
	t, cache := y.t, y.t.TempDir()
	r, _, c := open(cache)
	y.get(r)
	y.check("a machine's first look at a model, with its files", c, nil)
	y.get(r)
	y.check("a look at a model that did not change", c, nil)
	again, _, c2 := open(cache)
	y.get(again)
	y.check("the first look of a process whose machine has the files", c2, nil)
	w, _, _ := open(t.TempDir())
	y.archive(w, "1.0.3")
	y.get(r)
	y.check("a look at a model that changed once", c, nil)
	y.release(r, w, c)
	list := func(r *mr.ModelRegistry) {
		if _, err := r.ListVersions(t.Context(), fraud); err != nil {
			t.Fatal(err)
		}
	}
	list(r)
	y.check("listing the versions of a model that did not change", c, nil)
	fresh, _, c2 := open(t.TempDir())
	list(fresh)
	y.check("listing the versions of a model, in a new process", c2, nil)
	fresh, _, c2 = open(t.TempDir())
	for _, err := range fresh.History(t.Context(), fraud, nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
	y.check("the history of a model with 14 changes, in a new process", c2, nil)
}

// release promotes a version whose files no machine has yet, and then lets a
// watch poll while nothing changes.
func (y *tally) release(r, w *mr.ModelRegistry, c *counter) {
	t := y.t
	version := y.register(w, fstest.MapFS{"weights.bin": {Data: []byte("new")}})
	y.get(r)
	if _, err := w.Promote(t.Context(), fraud.At(version), mr.Production, nil); err != nil {
		t.Fatal(err)
	}
	c.take()
	y.get(r)
	y.check("a look that finds a release, with its files", c, nil)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ticks := map[string]int{}
	for _, err := range r.Watch(ctx, fraud.In(mr.Production), &mr.WatchOptions{Interval: 5 * time.Millisecond}) {
		if err != nil {
			t.Error(err)
		}
		c.each = func(kind string) {
			if ticks[kind]++; ticks[kind] == 10 || kind != http.MethodHead {
				cancel()
			}
		}
	}
	c.each = nil
	c.take()
	if len(ticks) != 1 || ticks["HEAD"] < 10 {
		t.Errorf("a watch asked for %v", ticks)
	}
}

// upkeep uses models of its own.
func (y *tally) upkeep(open opener) {
	t := y.t
	w, s, c := open(t.TempDir())
	models := func() *counter {
		r, _, c := open(t.TempDir())
		for _, err := range r.Models(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	one := y.check("listing the models of a store that has one, in a new process", models(), nil)
	churn := mr.ModelName{UseCase: fraud.UseCase, Model: "Churn"}
	registrytest.Put(t, w, churn.At(""), files)
	two := y.check("each further model", models(), one)
	c.take()
	registrytest.Put(t, w, mr.ModelName{UseCase: "other", Model: "Risk"}.At(""), files)
	y.check("a model's first change, besides", c, y.one)
	y.check("each further use case, and its model", models(), two)

	verify := func() *counter {
		r, _, c := open(t.TempDir())
		report, err := r.Verify(t.Context(), &mr.VerifyOptions{UseCase: churn.UseCase, Model: churn.Model})
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("Verify: %+v, %v", report, err)
		}
		return c
	}
	one = y.check("Verify of a model with one version, on a new machine", verify(), nil)
	registrytest.Put(t, w, churn.At(""), fstest.MapFS{"weights.bin": {Data: []byte("others")}}) // the cache would have equal files
	y.check("each further version", verify(), one)

	sweep := func() *counter {
		_, s, c := open(t.TempDir())
		if _, err := s.Sweep(t.Context(), churn, &objectstore.SweepOptions{OlderThan: time.Nanosecond, Apply: true}); err != nil {
			t.Error(err)
		}
		return c
	}
	y.check("Sweep of a model with nothing to sweep, in a new process", sweep(), nil)
	st, err := s.Stage(t.Context(), churn.UseCase, churn.Model)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(st.Dir(), "weights.bin"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := st.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	y.check("Sweep of one dead upload of one object, in a model with 2 changes", sweep(), nil)
}

// shared has another program change a model, too. It uses a model of its own.
func (y *tally) shared(open opener, b *blob.Bucket) {
	t, name := y.t, mr.ModelName{UseCase: fraud.UseCase, Model: "Shared"}
	external := func(version, stage string) {
		t.Helper()
		key := name.String() + "/registry.json"
		data, err := b.ReadAll(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal(data, &document); err != nil {
			t.Fatal(err)
		}
		delete(document, "modelregistry")
		document["versions"].(map[string]any)[version].(map[string]any)["stage"] = stage
		if data, err = json.Marshal(document); err != nil {
			t.Fatal(err)
		}
		if err := b.WriteAll(t.Context(), key, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	look := func(r *mr.ModelRegistry, version, stage string) {
		t.Helper()
		if v, err := r.GetVersion(t.Context(), name.At(version)); err != nil || string(v.Stage) != stage {
			t.Errorf("%s is in %q, %v; want %s", version, v.Stage, err, stage)
		}
	}
	archive := func(r *mr.ModelRegistry, version string) {
		t.Helper()
		if _, err := r.Archive(t.Context(), name.At(version), nil); err != nil {
			t.Fatal(err)
		}
	}
	w, _, c := open(t.TempDir())
	for range 4 {
		registrytest.Put(t, w, name.At(""), files)
	}
	c.take()
	archive(w, "1.0.0")
	move := c.take()
	external("1.0.1", "staging")
	archive(w, "1.0.1")
	y.check("a move that finds an external change, in a model with 5 changes, besides", c, move)
	look(w, "1.0.1", "archived")
	y.check("a look at a shared model that did not change", c, nil)
	other, _, c2 := open(t.TempDir())
	look(other, "1.0.1", "archived")
	c2.take()
	archive(w, "1.0.2")
	c.take()
	look(other, "1.0.2", "archived")
	y.check("a look at a shared model that changed once", c2, nil)
	archive(other, "1.0.3")
	c2.take()
	registrytest.Put(t, w, name.At(""), files)
	y.check("a registration after a change of another process, besides", c, y.one)
	external("1.0.2", "production")
	look(w, "1.0.2", "production")
	y.check("a look that finds an external change, in a model with 9 changes", c, nil)
}

// TestRates prints the rates in docs/scale.md.
func TestRates(t *testing.T) {
	if !*long {
		t.Skip("it is a measurement; -long runs it")
	}
	server := s3Server(t)
	stores := map[string]func() (mr.Store, error){
		"a bucket on a local S3 server": func() (mr.Store, error) {
			return objectstore.New(s3Bucket(t, s3Client(server, nil), bucket), &objectstore.Options{CacheDir: t.TempDir()})
		},
	}
	dir := t.TempDir()
	stores["a folder"] = func() (mr.Store, error) { return mr.NewFolderStore(dir, nil) }
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
				_, err := r.Archive(t.Context(), fraud.At(version), nil)
				return err
			}
			_, err := r.Promote(t.Context(), fraud.At(version), mr.Development, nil)
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
