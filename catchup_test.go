package modelregistry_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// documentLag returns how many bytes of events the document of fraud lacks.
func documentLag(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(modelPath(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() - documentMark(t, dir).Offset
}

// catchUp closes a registry, or lets the second pass after which its document
// is brought up to date.
func catchUp(t *testing.T, r *mr.ModelRegistry, closes bool) {
	t.Helper()
	if !closes {
		time.Sleep(time.Second)
		synctest.Wait()
	} else if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Another program changes a document that lags, and so lacks an acknowledged
// change. The registry that left it lagging records the external change and
// brings the document up to date.
func TestCatchUpRecordsAnExternalChange(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := pythonstore.New(t)
			r := s.Open()
			s.Register(r, "1.0.0")
			s.Register(r, "1.0.1")
			r.SetLag(0, 1, time.Second)
			s.Promote(r, "1.0.0", mr.Production)
			if documentLag(t, s.Dir) == 0 {
				t.Fatal("the document does not lag")
			}
			s.PythonRegisters("1.0.2")
			catchUp(t, r, closes)
			want := map[string]string{"1.0.0": "production", "1.0.1": "development", "1.0.2": "development"}
			if got := s.StagesInDocument(); !maps.Equal(got, want) {
				t.Fatalf("registry.json has %v (closed: %v), want %v", got, closes, want)
			}
			s.WantInStep()
			s.Same(s.Open())
			if diff := cmp.Diff([]string{"register 1.0.0", "register 1.0.1", "promote 1.0.0", "foreign"}, s.Ops()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Catching up does not create a store again that was moved away.
func TestCatchUpDoesNotCreateAStore(t *testing.T) {
	t.Parallel()
	notOnWindows(t)
	for _, closes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir() + "/store"
			r := openStore(t, dir, nil)
			register(t, r, "1.0.0", nil)
			r.SetLag(0, 1, time.Second)
			promote(t, r, "1.0.0", mr.Staging)
			if err := os.Rename(dir, dir+"-moved"); err != nil {
				t.Fatal(err)
			}
			catchUp(t, r, closes)
			if _, err := os.Lstat(dir); err == nil {
				t.Errorf("the store is there again (closed: %v)", closes)
			}
		})
	}
}

// A document under 1 MiB has every acknowledged change, also when several
// processes and goroutines change the model at once.
func TestSmallDocumentIsRewrittenAfterEveryChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const registries, changes = 2, 20
	done := make(chan error)
	for i := range registries {
		r := openStore(t, dir, nil)
		version := fmt.Sprintf("1.0.%d", i)
		register(t, r, version, nil)
		go func() {
			for range changes {
				if _, err := r.Promote(context.Background(), fraud.At(version), mr.Staging, nil); err != nil {
					done <- err
					return
				}
				if _, err := r.Demote(context.Background(), fraud.At(version), mr.Development, nil); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range registries {
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := documentLag(t, dir); n > 1<<10 { // the other registry's last change may be under way
			t.Errorf("the document lacks %d bytes of events, want at most one change", n)
		}
	}
	if n := documentLag(t, dir); n != 0 {
		t.Errorf("the document lacks %d bytes of events, want 0", n)
	}
}

// A heldDisk is one where a program may have registry.json open, so that the
// file can't be replaced.
type heldDisk struct {
	fsstore.Disk
	held  *atomic.Bool
	tried func() // is called when the file was not replaced
}

func (d heldDisk) Rename(from, to string) error {
	if d.held.Load() && path.Base(to) == "registry.json" {
		d.tried()
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: driver.ErrInUse}
	}
	return d.Disk.Rename(from, to)
}

// While another program has registry.json open, some systems don't replace it.
// Close then tries again for a second, and logs a failure once.
func TestCloseWaitsUntilTheDocumentIsNotInUse(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprint("ends=", ends), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir, held, log := t.TempDir(), &atomic.Bool{}, &strings.Builder{}
				r, err := mr.OpenOn(dir, &mr.Options{Logger: slog.New(slog.NewTextHandler(log, nil))},
					func(d fsstore.Disk) fsstore.Disk { return heldDisk{d, held, func() {}} })
				if err != nil {
					t.Fatal(err)
				}
				register(t, r, "0.1.0", bulky())
				register(t, r, "1.0.0", nil)
				r.SetLag(0, 1, time.Hour)
				promote(t, r, "1.0.0", mr.Production)
				if documentLag(t, dir) == 0 {
					t.Fatal("the document does not lag")
				}
				program, err := os.Open(modelPath(dir, "registry.json")) // which is enough on Windows
				if err != nil {
					t.Fatal(err)
				}
				held.Store(true)
				end := func() { held.Store(false); program.Close() }
				if ends {
					defer time.AfterFunc(300*time.Millisecond, end).Stop()
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				end()
				if lags := documentLag(t, dir) > 0; lags == ends {
					t.Errorf("the document lags: %t, want %t", lags, !ends)
				}
				if n := strings.Count(log.String(), "not brought up to date"); (n == 0) != ends || n > 1 {
					t.Errorf("%d warnings:\n%s", n, log)
				}
			})
		})
	}
}

// A registry that is idle tries again to write registry.json while another
// program has it open, after waits that grow to a minute. The log says so once.
// A change starts over with short waits. Close ends the attempts.
func TestIdleRegistryTriesAgainWhileTheDocumentIsInUse(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"released", "released, and changed", "closed"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir, held, log := t.TempDir(), &atomic.Bool{}, &strings.Builder{}
				var tried []time.Time
				r, err := mr.OpenOn(dir, &mr.Options{Logger: slog.New(slog.NewTextHandler(log, nil))},
					func(d fsstore.Disk) fsstore.Disk {
						return heldDisk{d, held, func() { tried = append(tried, time.Now()) }}
					})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				register(t, r, "1.0.0", nil)
				held.Store(true)
				promote(t, r, "1.0.0", mr.Staging)
				time.Sleep(5*time.Minute + time.Second)
				synctest.Wait()
				var waits []string
				for i := range tried[1:] {
					waits = append(waits, tried[i+1].Sub(tried[i]).String())
				}
				want := []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s", "1m0s"}
				if diff := cmp.Diff(want, waits); diff != "" {
					t.Errorf("waits between attempts (-want +got):\n%s", diff)
				}
				if n := strings.Count(log.String(), "not brought up to date"); n != 2 { // of the change, and of the registry
					t.Errorf("%d warnings, want 2:\n%s", n, log)
				}
				wait := time.Minute
				switch end {
				case "closed":
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				case "released, and changed":
					promote(t, r, "1.0.0", mr.Production)
					wait = time.Second
				}
				held.Store(false)
				time.Sleep(wait)
				synctest.Wait()
				if lags := documentLag(t, dir) > 0; lags != (end == "closed") {
					t.Errorf("%v after it was %s, the document lags: %t", wait, end, lags)
				}
			})
		})
	}
}
