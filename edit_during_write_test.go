package modelregistry_test

import (
	"errors"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// A lateDisk has another program write right before a document takes its place.
type lateDisk struct {
	fsstore.Disk
	write *atomic.Pointer[func()]
}

func (d lateDisk) Open(name string) (fsstore.File, error) {
	f, err := d.Disk.Open(name)
	if err != nil || path.Base(name) != ".registry.json.tmp" {
		return f, err
	}
	return lateFile{f, d}, nil
}

type lateFile struct {
	fsstore.File
	d lateDisk
}

// Close is the last that happens to a document before it is renamed.
func (f lateFile) Close() error {
	if write := f.d.write.Swap(nil); write != nil {
		(*write)()
	}
	return f.File.Close()
}

// A change that another program makes while our document is being written
// stays. It is recorded by the next change, or when the model has been idle for
// a while.
func TestEditWhileTheDocumentIsWritten(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *pythonstore.Store, r *modelregistry.ModelRegistry){
		"a promotion": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
			s.Promote(r, "1.1.0", modelregistry.Production)
		},
		"a registration": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Register(r, "1.2.0") },
		"catching up": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
			r.SetLag(-1, 1, time.Millisecond)
			s.Promote(r, "1.1.0", modelregistry.Production)
		},
		"Close": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
			r.SetLag(-1, 1, time.Hour)
			s.Promote(r, "1.1.0", modelregistry.Production)
			if err := r.Close(); err != nil {
				s.T.Error(err)
			}
		},
	} {
		for _, then := range []string{"a change", "being idle"} {
			if name == "Close" && then == "being idle" {
				continue
			}
			t.Run(name+", then "+then, func(t *testing.T) {
				t.Parallel()
				s := pythonstore.New(t)
				var write atomic.Pointer[func()]
				r, err := modelregistry.OpenOn(s.Dir, nil, func(d fsstore.Disk) fsstore.Disk { return lateDisk{d, &write} })
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				s.Register(r, "1.0.0")
				s.Register(r, "1.1.0")
				idle := time.Hour
				if then == "being idle" {
					idle = 10 * time.Millisecond
				}
				r.SetLag(1<<20, 8, idle)
				edited := make(chan struct{})
				edit := func() {
					s.PythonSets("1.0.0", "metrics", `{"auc":0.77}`)
					close(edited)
				}
				write.Store(&edit)
				change(s, r)
				<-edited
				if then == "a change" {
					s.Register(s.Open(), "1.3.0")
				}
				for deadline := time.Now().Add(time.Minute); s.Document().Mark == nil; time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("the edit is not taken in")
					}
				}
				for _, l := range s.Same(s.Open()) {
					if l.Version == "1.0.0" && l.Metrics != `{"auc":0.77}` {
						t.Errorf("the edit is lost: %s", l.Metrics)
					}
					if l.Version == "1.1.0" && (name != "a registration") != (l.Stage == "production") {
						t.Errorf("our change is lost: %s is in %s", l.Version, l.Stage)
					}
				}
				if diff := cmp.Diff([]string{"1.0.0 development>development"}, changesOf(s.ForeignEvents(s.Open()))); diff != "" {
					t.Errorf("the history of it (-want +got):\n%s", diff)
				}
				s.WantSound()
			})
		}
	}
}

// A repair does not overwrite a change that another program makes during the
// repair.
func TestEditWhileARepairIsUnderWay(t *testing.T) {
	t.Parallel()
	s := pythonstore.New(t)
	var write atomic.Pointer[func()]
	r, err := modelregistry.OpenOn(s.Dir, nil, func(d fsstore.Disk) fsstore.Disk { return lateDisk{d, &write} })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.Register(r, "1.0.0")
	s.Register(r, "1.1.0")
	sound := s.Read("registry.json")
	s.Write("registry.json", sound[:len(sound)/2])
	edit := func() {
		s.Write("registry.json", sound)
		s.PythonSets("1.0.0", "metrics", `{"auc":0.77}`)
	}
	write.Store(&edit)
	for _, want := range []error{modelregistry.ErrConflict, nil} {
		if _, err := r.Repair(t.Context(), fraud, &modelregistry.RepairOptions{Apply: true}); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		if got := string(pyjson.Compact(nil, []byte(pythonstore.Member(t, s.RawEntry("1.0.0"), "metrics")))); got != `{"auc":0.77}` {
			t.Errorf("the metrics are %s", got)
		}
	}
	s.Same(r)
	s.WantSound()
}
