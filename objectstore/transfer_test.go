package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/objectstore"
	"github.com/ubunye-go/modelregistry/objectstore/internal/testhook"
	"github.com/ubunye-go/modelregistry/registrytest"
)

// stallOf makes the next n transfers of an object stand still, and counts them.
func (f *faultyBucket) stallOf(op, suffix string, n int64) (stalls *atomic.Int64) {
	stalls = &atomic.Int64{}
	f.set(func() {
		f.stall = func(o, key string) bool {
			if o != op || !strings.HasSuffix(key, suffix) || stalls.Load() == n {
				return false
			}
			stalls.Add(1)
			return true
		}
	})
	return stalls
}

const always = -1

// A transfer that stands still is ended and tried again, in both directions. At
// the third time it fails.
func TestStalledTransfers(t *testing.T) {
	t.Parallel()
	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	large := fstest.MapFS{"weights.bin": {Data: data}}
	synctest.Test(t, func(t *testing.T) {
		f, b := newFaulty(t)
		took := func(what string, most time.Duration, fn func()) {
			t.Helper()
			start := time.Now()
			fn()
			if took := time.Since(start); took > most {
				t.Errorf("%s took %v, want at most %v", what, took, most)
			}
		}
		failsFor := func(what string, err error) {
			t.Helper()
			if err == nil || errors.Is(err, mr.ErrArtifact) || !strings.Contains(err.Error(), "stood still") {
				t.Errorf("%s: got error %v, want one that says that the transfer stood still", what, err)
			}
		}
		stood := func(what string, stalls *atomic.Int64, want int64) {
			t.Helper()
			if n := stalls.Load(); n != want {
				t.Errorf("%s stood still %d times, want %d", what, n, want)
			}
		}
		fresh := func() *mr.ModelRegistry { return mr.New(newStore(t, b, nil), nil) }
		get := func(ctx context.Context) error {
			m, err := fresh().GetModel(ctx, fraud.In(mr.Production), &mr.GetOptions{Verify: true})
			if err == nil {
				m.Close()
			}
			return err
		}
		r := fresh()
		stalls := f.stallOf("put", "weights.bin", 1)
		took("a registration whose upload stood still once", 2*time.Minute, func() { registrytest.Put(t, r, fraud.In(mr.Production), large) })
		stood("the upload", stalls, 1)
		stalls = f.stallOf("put", "weights.bin", always)
		took("a registration whose uploads stand still", 3*time.Minute, func() {
			_, err := r.Register(t.Context(), fraud, mr.FromFS(large), nil)
			failsFor("registering", err)
		})
		stood("the uploads", stalls, 3)

		// An answer that never comes, and one that stops half-way.
		for _, op := range []string{"open", "get"} {
			stalls = f.stallOf(op, "weights.bin", 2)
			took("a download that stood still twice", time.Minute, func() {
				if err := get(t.Context()); err != nil {
					t.Errorf("%s: %v", op, err)
				}
			})
			stood("the download", stalls, 2)
			stalls = f.stallOf(op, "weights.bin", 2)
			took("a verification", time.Minute, func() {
				report, err := fresh().Verify(t.Context(), nil)
				if err != nil || len(report.Findings) > 0 {
					t.Errorf("%s: Verify: got %v, error %v", op, report, err)
				}
			})
			stood("the verification", stalls, 2)
		}
		for _, suffix := range []string{"weights.bin", "manifest.json"} {
			stalls = f.stallOf("open", suffix, always)
			took("a download that stands still", time.Minute, func() { failsFor("getting", get(t.Context())) })
			stood("the download of "+suffix, stalls, 3)
		}
		f.stallOf("open", "weights.bin", always)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		took("a download whose caller gives up", 2*time.Second, func() {
			if err := get(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("getting: got error %v, want that of the context", err)
			}
		})
	})
}

// A document that is replaced while its transfer stands still is read as a
// whole, and never in two halves.
func TestDocumentReplacedInAStalledTransfer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, b := newFaulty(t)
		entry := `"%[1]s": {"version": "%[1]s", "stage": "staging", "registered_at": "2026-11-20T05:30:11.655479+00:00", "metrics": {"n": 1}, "metadata": {}}`
		var entries []string
		for i := range 10 {
			entries = append(entries, fmt.Sprintf(entry, fmt.Sprintf("1.0.%d", i)))
		}
		doc := `{"model_name": "FraudRiskModel", "use_case": "fraud_detection", "versions": {` + strings.Join(entries, ", ") + "}}"
		write := func(data string) {
			if err := f.b.WriteAll(context.Background(), documentKey, []byte(data), nil); err != nil {
				t.Error(err)
			}
		}
		write(doc)
		var stalled atomic.Bool
		f.set(func() {
			f.stall = func(op, key string) bool {
				if op != "get" || key != documentKey || stalled.Swap(true) {
					return false
				}
				write(strings.ReplaceAll(doc, `"n": 1`, `"n": 2`))
				return true
			}
		})
		list, err := mr.New(newStore(t, b, nil), nil).ListVersions(t.Context(), fraud)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			if n, _ := v.Metrics.Float("n"); n != 2 || len(list) != 10 || !stalled.Load() {
				t.Errorf("metric n of %v: got %v, want 2 in all 10 versions", v.Ref(), n)
			}
		}
	})
}

// A stalled download does not hold the lock of the cache without end,
// and goes on where it stopped.
func TestStalledDownloadReleasesCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, b := newFaulty(t)
		registrytest.Put(t, mr.New(newStore(t, b, nil), nil), fraud.In(mr.Production), files)
		cache := t.TempDir()
		var stalled atomic.Bool
		f.set(func() {
			f.stall = func(op, key string) bool {
				return op == "get" && strings.HasSuffix(key, "weights.bin") && !stalled.Swap(true)
			}
		})
		start := time.Now()
		done := make(chan error, 2)
		for range 2 {
			go func() {
				m, err := mr.New(newStore(t, b, &objectstore.Options{CacheDir: cache}), nil).GetModel(t.Context(), fraud.In(mr.Production), nil)
				if err == nil {
					err = m.Close()
				}
				done <- err
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("two processes got the version after %v, want at most 20 s", took)
		}
	})
}

// A writer or reader of a stream may be slow. Only the transfer may not stand
// still.
func TestSlowCallersOfStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, b := newFaulty(t)
		s := newStore(t, b, nil)
		r := mr.New(s, nil)
		registrytest.Put(t, r, fraud.In(mr.Production), files)
		st, err := s.StageFiles(t.Context(), fraud.UseCase, fraud.Model)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Discard()
		w, err := st.Create(t.Context(), driver.TreeFile{Path: "model/weights.bin", Size: 4, Mode: 0o444})
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"ab", "cd"} {
			time.Sleep(time.Hour)
			if _, err := w.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		if err := w.Close(); err != nil {
			t.Errorf("a slow writer: %v", err)
		}
		tree, err := s.ReadTree(t.Context(), fraud.UseCase, fraud.Model, "1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		file, err := tree.Open(t.Context(), "model/weights.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var got []byte
		for range 2 {
			time.Sleep(time.Hour)
			part := make([]byte, 4)
			n, err := file.Read(part)
			if err != nil {
				t.Fatalf("a slow reader: %v", err)
			}
			got = append(got, part[:n]...)
		}
		if string(got) != "weights" {
			t.Errorf("a slow reader: got %q", got)
		}
	})
}

// A file that the service can't copy is read from its upload while it is sent.
// If that download stands still for good, it is not begun again and again.
func TestStalledCopy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, b := newFaulty(t)
		s := newStore(t, b, nil)
		testhook.ServerCopyMax(s, 0)
		var gets atomic.Int64
		f.set(func() {
			f.stall = func(op, key string) bool { return op == "get" && strings.HasSuffix(key, "weights.bin") }
			f.before = func(op, key string) error {
				if op == "get" && strings.HasSuffix(key, "weights.bin") {
					gets.Add(1)
				}
				return nil
			}
		})
		registrytest.Put(t, mr.New(s, nil), fraud.At("1.0.0"), files)
		// Three requests bring half of what is left of its 7 bytes. With the
		// last of them, three stand still at the same byte.
		if n := gets.Load(); n != 5 {
			t.Errorf("the file was requested %d times, want 5", n)
		}
		f.set(func() { f.stall = nil })
		m, err := mr.New(newStore(t, b, nil), nil).GetModel(t.Context(), fraud.At("1.0.0"), &mr.GetOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	})
}
