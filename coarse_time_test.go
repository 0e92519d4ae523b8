package modelregistry_test

import (
	"bytes"
	"fmt"
	"path"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pythonstore"
)

// A coarseDisk stamps documents with whole seconds, and plays that all that
// happens happens in one of them: it began a second ago.
type coarseDisk struct {
	fsstore.Disk
	second time.Time
}

func (d coarseDisk) Stamp(name string) (fsstore.Stamp, error) {
	s, err := d.Disk.Stamp(name)
	if s.Exists && path.Base(name) == "registry.json" || path.Base(name) == ".registry.json.tmp" {
		s.Time = d.second.UnixNano()
	}
	return s, err
}

// openCoarse opens a registry on a file system that stamps whole seconds.
func openCoarse(s *pythonstore.Store) *modelregistry.ModelRegistry {
	s.T.Helper()
	second := time.Now().Add(-time.Second).Truncate(time.Second)
	r, err := modelregistry.OpenOn(s.Dir, nil, func(d fsstore.Disk) fsstore.Disk { return coarseDisk{d, second} })
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { r.Close() })
	return r
}

// editAuc changes a metric in place, such that the document keeps its size.
func editAuc(s *pythonstore.Store, from, to string) {
	s.T.Helper()
	data := s.Read("registry.json")
	edited := bytes.Replace(data, []byte(`"auc": `+from), []byte(`"auc": `+to), 1)
	if len(edited) != len(data) || bytes.Equal(edited, data) {
		s.T.Fatalf("not edited:\n%s", data)
	}
	s.Write("registry.json", edited)
}

// wantAuc checks a metric of 1.0.0.
func wantAuc(s *pythonstore.Store, r *modelregistry.ModelRegistry, want string) {
	s.T.Helper()
	v, err := r.GetVersion(s.T.Context(), fraud.At("1.0.0"))
	if err != nil {
		s.T.Fatal(err)
	}
	if auc, ok := v.Metrics.Get("auc"); !ok || fmt.Sprint(auc) != want {
		s.T.Errorf("auc is %v, want %s", auc, want)
	}
}

// An edit is noticed in the second in which a process last read the document,
// although the document has the same time as before.
func TestEditWithinACoarseTick(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]func(s *pythonstore.Store, r *modelregistry.ModelRegistry){
		"a look":         func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { wantAuc(s, r, "0.7") },
		"a list":         func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.List(r); wantAuc(s, r, "0.7") },
		"a registration": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Register(r, "1.0.1") },
		"a promotion": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) {
			s.Promote(r, "1.0.0", modelregistry.Staging)
		},
		"an archiving":     func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { s.Archive(r, "1.0.0") },
		"another registry": func(s *pythonstore.Store, r *modelregistry.ModelRegistry) { wantAuc(s, openCoarse(s), "0.7") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that the second lasts as long as the test
				s := pythonstore.New(t)
				r := openCoarse(s)
				s.Register(r, "1.0.0")
				wantAuc(s, r, "0.5")
				editAuc(s, "0.5", "0.7")
				by(s, r)
				wantAuc(s, r, "0.7")
				s.Register(r, "1.1.0")
				wantAuc(s, r, "0.7")
				wantAuc(s, s.Open(), "0.7")
				if !bytes.Contains(s.Read("registry.json"), []byte(`"auc": 0.7`)) {
					t.Error("the document lost the edit")
				}
				if got := changesOf(s.ForeignEvents(r)); len(got) != 1 {
					t.Errorf("the history says of the edit: %q", got)
				}
			})
		})
	}
}

// A file whose time has a fraction of a second is not on such a file system:
// after a tick of the system's clock it is not read again.
func TestFineStampIsNotReadAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		age  time.Duration
		want bool
	}{{-time.Hour, true}, {30 * time.Millisecond, false}, {time.Second, false}} {
		s := pythonstore.New(t)
		stamp := time.Now().Add(-tt.age)
		if stamp.Nanosecond() == 0 {
			stamp = stamp.Add(1)
		}
		disk := &stampingDisk{at: stamp}
		r, err := modelregistry.OpenOn(s.Dir, nil, func(d fsstore.Disk) fsstore.Disk { disk.Disk = d; return disk })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s.Register(r, "1.0.0")
		wantAuc(s, r, "0.5")
		disk.read = false
		wantAuc(s, r, "0.5")
		if disk.read != tt.want {
			t.Errorf("a document that is %v old is read again: %t, want %t", tt.age, disk.read, tt.want)
		}
	}
}

// A stampingDisk gives the document one time, and notes whether it is read.
type stampingDisk struct {
	fsstore.Disk
	at   time.Time
	read bool
}

func (d *stampingDisk) Stamp(name string) (fsstore.Stamp, error) {
	s, err := d.Disk.Stamp(name)
	if s.Exists && (path.Base(name) == "registry.json" || path.Base(name) == ".registry.json.tmp") {
		s.Time = d.at.UnixNano()
	}
	return s, err
}

func (d *stampingDisk) ReadFrom(name string, offset int64) ([]byte, fsstore.FileID, error) {
	d.read = d.read || path.Base(name) == "registry.json"
	return d.Disk.ReadFrom(name, offset)
}
