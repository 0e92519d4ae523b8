package modelregistry_test

import (
	"errors"
	"path"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// A syncDisk calls sync before each sync of a history, and counts these. If
// sync returns an error, the sync fails with it, and so does cutting the
// history.
type syncDisk struct {
	fsstore.Disk
	sync   func() error
	synced atomic.Int64
}

func (d *syncDisk) note(name string) error {
	if path.Base(name) != "history.jsonl" {
		return nil
	}
	d.synced.Add(1)
	if d.sync == nil {
		return nil
	}
	return d.sync()
}

func (d *syncDisk) Sync(name string) error {
	if err := d.note(name); err != nil {
		return err
	}
	return d.Disk.Sync(name)
}

func (d *syncDisk) Open(name string) (fsstore.File, error) {
	f, err := d.Disk.Open(name)
	return syncFile{f, d, name}, err
}

type syncFile struct {
	fsstore.File
	d    *syncDisk
	name string
}

func (f syncFile) Sync() error {
	if err := f.d.note(f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f syncFile) Truncate(size int64) error {
	if path.Base(f.name) == "history.jsonl" && f.d.sync != nil {
		return errors.New("truncation fails")
	}
	return f.File.Truncate(size)
}

func (d *syncDisk) open(t *testing.T, dir string) *mr.ModelRegistry {
	t.Helper()
	r, err := mr.OpenOn(dir, nil, func(disk fsstore.Disk) fsstore.Disk { d.Disk = disk; return d })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// twoVersions makes a store with 1.0.0 and 1.0.1, which was in production, and
// returns the moves that put 1.0.0 there.
func twoVersions(t *testing.T) (dir string, moves map[string]func(*mr.ModelRegistry) (mr.ModelVersion, error)) {
	t.Helper()
	s := pythonstore.New(t)
	r := s.Open()
	s.Register(r, "1.0.0")
	s.Register(r, "1.0.1")
	s.Promote(r, "1.0.0", mr.Production)
	s.Promote(r, "1.0.1", mr.Production)
	return s.Dir, map[string]func(*mr.ModelRegistry) (mr.ModelVersion, error){
		"promote": func(r *mr.ModelRegistry) (mr.ModelVersion, error) {
			return r.Promote(t.Context(), fraud.At("1.0.0"), mr.Production, nil)
		},
		"rollback": func(r *mr.ModelRegistry) (mr.ModelVersion, error) {
			return r.RollbackTo(t.Context(), fraud.At("1.0.0"), nil)
		},
	}
}

// Invariant 2: another process is about to make a change. A caller who asks for
// the same change gets its result only when that change is durable.
func TestSuccessWithoutAChangeWaitsForTheSync(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"promote", "rollback"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, moves := twoVersions(t)
			entered, leave := make(chan struct{}), make(chan struct{})
			var once atomic.Bool
			slow := &syncDisk{}
			first, second := slow.open(t, dir), (&syncDisk{}).open(t, dir)
			slow.sync = func() error {
				if once.CompareAndSwap(false, true) {
					close(entered)
					<-leave
				}
				return nil
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := moves["promote"](first); err != nil {
					t.Error(err)
				}
			})
			<-entered // its lines are written, and not yet synced
			if v, err := second.GetVersion(t.Context(), fraud.In(mr.Production)); err != nil || v.Version != "1.0.0" {
				t.Fatalf("%s in production, %v: the lines do not show", v.Version, err)
			}
			var synced atomic.Bool
			wg.Go(func() {
				v, err := moves[name](second)
				if err != nil || v.Stage != mr.Production {
					t.Errorf("%s in %s, %v", v.Version, v.Stage, err)
				}
				if !synced.Load() {
					t.Error("acknowledged before the change that it rests on was durable")
				}
			})
			time.Sleep(50 * time.Millisecond) // enough for it to end if it does not wait
			synced.Store(true)
			close(leave)
			wg.Wait()
		})
	}
}

// Invariant 2: lines that a dead writer did not sync are made durable before a
// call returns success because of them.
func TestSuccessWithoutAChangeIsDurable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"promote", "rollback"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, moves := twoVersions(t)
			broken := &syncDisk{}
			first := broken.open(t, dir)
			broken.sync = func() error { return errors.New("sync fails") }
			if _, err := moves["promote"](first); !errors.Is(err, mr.ErrUncertain) {
				t.Fatal(err)
			}
			whole, fails := &syncDisk{}, &syncDisk{}
			r := whole.open(t, dir)
			if v, err := moves[name](r); err != nil || v.Stage != mr.Production {
				t.Fatalf("%s in %s, %v", v.Version, v.Stage, err)
			}
			if whole.synced.Load() == 0 {
				t.Error("the history is not synced")
			}
			fails.sync = func() error { return errors.New("sync fails") }
			if _, err := moves[name](fails.open(t, dir)); err == nil {
				t.Error("a success although the sync failed")
			}
		})
	}
}

// If a call succeeds only because of an external change, that change is
// recorded, because the other program does not sync its document.
func TestSuccessWithoutAChangeRecordsAnExternalChange(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{true, false} {
		s := pythonstore.New(t)
		s.Register(s.Open(), "1.0.0")
		s.PythonSets("1.0.0", "stage", `"production"`)
		want := mr.OpForeign
		if !kept {
			s.Remove("history.jsonl")
			want = mr.OpImport
		}
		s.Promote(s.Open(), "1.0.0", mr.Production)
		var last mr.Event
		for e, err := range s.Open().History(t.Context(), fraud, nil) {
			if err != nil {
				t.Fatal(err)
			}
			last = e
		}
		if last.Op != want || last.Unrecorded() {
			t.Errorf("the last event is %s, unrecorded: %t", last.Op, last.Unrecorded())
		}
	}
}
