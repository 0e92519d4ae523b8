package modelregistry_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A writer writes to files of a folder until it is told to stop.
type writer struct {
	stop atomic.Bool
	wg   sync.WaitGroup
}

// start returns when step, which is called over and over, was called once.
func (w *writer) start(t *testing.T, step func(n int) error) {
	t.Helper()
	first := make(chan struct{})
	w.wg.Go(func() {
		for n := 0; !w.stop.Load(); n++ {
			if err := step(n); err != nil {
				t.Error(err)
				w.stop.Store(true)
			}
			if n == 0 {
				close(first)
			}
		}
	})
	<-first
}

func (w *writer) end() {
	w.stop.Store(true)
	w.wg.Wait()
}

// racing registers an artifact several times while a writer is at its folder.
// The writer is started in the source, or in the folder that a save function
// leaves. Each version that comes of it and passes its check is handed to see.
func racing(t *testing.T, source string, prepare func(dir string) error, write func(t *testing.T, dir string) func(n int) error, see func(dir string)) {
	t.Helper()
	r, store := newStore(t, nil)
	register := func(racing bool) (mr.ModelVersion, error) {
		var w writer
		defer w.end()
		begin := func(dir string) {
			if racing {
				w.start(t, write(t, dir))
			}
		}
		dir := t.TempDir()
		if source == "FromFunc" {
			return r.Register(t.Context(), fraud, mr.FromFunc(func(dir string) error {
				err := prepare(dir)
				begin(dir)
				return err
			}), nil)
		}
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		begin(dir)
		a := map[string]mr.Artifact{
			"FromDir": mr.FromDir(dir), "FromFS": mr.FromFS(os.DirFS(dir)), "FromFile": mr.FromFile(filepath.Join(dir, "a")),
		}[source]
		return r.Register(t.Context(), fraud, a, nil)
	}
	for range 10 {
		v, err := register(true)
		if err != nil && !errors.Is(err, mr.ErrArtifact) {
			t.Errorf("it is not the artifact that was refused: %v", err)
		}
		if err == nil && r.VerifyTree(t.Context(), v) == nil {
			see(modelPath(store, "versions", v.Version, "model"))
		}
	}
	v, err := register(false)
	if err != nil {
		t.Fatalf("when nothing writes any more: %v", err)
	}
	see(modelPath(store, "versions", v.Version, "model"))
}

// A program overwrites a file part by part, again and again. The version holds
// the file as it was at one moment: first parts of one round, then parts of the
// round before.
func TestOverwritingRaces(t *testing.T) {
	t.Parallel()
	const parts, part = 64, 32 << 10
	fill := func(n int) []byte { return bytes.Repeat([]byte{'A' + byte(n%26)}, part) }
	prepare := func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "a"), bytes.Repeat(fill(25), parts), 0o666)
	}
	write := func(t *testing.T, dir string) func(n int) error {
		f, err := os.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
		}
		t.Cleanup(func() { f.Close() })
		return func(n int) (err error) {
			data := fill(n)
			for i := range int64(parts) {
				if _, err = f.WriteAt(data, i*part); err != nil {
					break
				}
			}
			return err
		}
	}
	for _, source := range []string{"FromDir", "FromFile", "FromFS", "FromFunc"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			racing(t, source, prepare, write, func(dir string) {
				got := files(t, dir)["a"]
				var rounds []byte
				for i := range len(got) {
					if i == 0 || got[i] != got[i-1] {
						rounds = append(rounds, got[i])
					}
				}
				oneMoment := len(rounds) == 1 || len(rounds) == 2 && (rounds[0]-rounds[1] == 1 || string(rounds) == "AZ")
				if len(got) != parts*part || !oneMoment {
					t.Errorf("a version of %d bytes holds parts of the rounds %s", len(got), rounds)
				}
			})
		})
	}
}

// A program appends to two files in turn. In the version both have the same
// number of records, or the first has one more.
func TestAppendingRaces(t *testing.T) {
	t.Parallel()
	record := []byte(strings.Repeat("r", 63) + "\n")
	prepare := func(dir string) error {
		data := bytes.Repeat(record, 2000)
		return errors.Join(os.WriteFile(filepath.Join(dir, "a"), data, 0o666), os.WriteFile(filepath.Join(dir, "b"), data, 0o666))
	}
	write := func(t *testing.T, dir string) func(n int) error {
		var files [2]*os.File
		for i, name := range []string{"a", "b"} {
			var err error
			if files[i], err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0); err != nil {
				t.Error(err)
			}
			t.Cleanup(func() { files[i].Close() })
		}
		return func(n int) error {
			if n > 5000 {
				time.Sleep(100 * time.Microsecond) // or the files outgrow a small disk
			}
			_, first := files[0].Write(record)
			_, second := files[1].Write(record)
			return errors.Join(first, second)
		}
	}
	for _, source := range []string{"FromDir", "FromFS", "FromFunc"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			racing(t, source, prepare, write, func(dir string) {
				got := files(t, dir)
				a, b := len(got["a"]), len(got["b"])
				if more := a - b; more != 0 && more != len(record) || b < 2000*len(record) {
					t.Errorf("a version holds %d and %d bytes", a, b)
				}
			})
		})
	}
}

// A file that was just written is copied only when each later write would
// change its time, also on a file system with whole seconds.
func TestFreshFileIsCopiedOnceItsClockWentOn(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		age  time.Duration // of the file
		unit time.Duration // of its time
		min  time.Duration // how old the file is when it is read
		max  time.Duration
	}{
		"fine":                {0, time.Nanosecond, 20 * time.Millisecond, 20 * time.Millisecond},
		"fine, older":         {time.Second, time.Nanosecond, time.Second, time.Second},
		"whole seconds":       {0, time.Second, 2 * time.Second, 2 * time.Second},
		"whole seconds, old":  {time.Hour, time.Second, time.Hour, time.Hour + time.Second},
		"from another clock":  {-time.Hour, time.Nanosecond, -time.Hour, -time.Hour},
		"of a program's wish": {-time.Hour, time.Second, -time.Hour, -time.Hour + time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Nanosecond) // the bubble's clock starts at a whole second
				written := time.Now().Add(-test.age).Truncate(test.unit)
				if test.unit == time.Nanosecond {
					written = time.Now().Add(-test.age)
				}
				source := fstest.MapFS{"weights.bin": {Data: []byte("weights"), ModTime: written}}
				r, err := mr.Open(store, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				var age time.Duration
				_, err = r.Register(t.Context(), fraud, mr.FromFS(watchedFS{source, func(_ string, offset int64) {
					if offset == 0 {
						age = time.Since(written)
					}
				}}), nil)
				if err != nil || age < test.min || age > test.max {
					t.Errorf("it was read %v after it was written, %v; want %v to %v", age, err, test.min, test.max)
				}
			})
		})
	}
}
