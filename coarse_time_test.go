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
func (s *pyStore) openCoarse() *modelregistry.ModelRegistry {
	s.t.Helper()
	second := time.Now().Add(-time.Second).Truncate(time.Second)
	r, err := modelregistry.OpenOn(s.dir, nil, func(d fsstore.Disk) fsstore.Disk { return coarseDisk{d, second} })
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r
}

// editAuc changes a metric in place, such that the document keeps its size.
func (s *pyStore) editAuc(from, to string) {
	s.t.Helper()
	data := s.read("registry.json")
	edited := bytes.Replace(data, []byte(`"auc": `+from), []byte(`"auc": `+to), 1)
	if len(edited) != len(data) || bytes.Equal(edited, data) {
		s.t.Fatalf("not edited:\n%s", data)
	}
	s.write("registry.json", edited)
}

// wantAuc checks a metric of 1.0.0.
func (s *pyStore) wantAuc(r *modelregistry.ModelRegistry, want string) {
	s.t.Helper()
	v, err := r.GetVersion(s.t.Context(), pyName.At("1.0.0"))
	if err != nil {
		s.t.Fatal(err)
	}
	if auc, ok := v.Metrics.Get("auc"); !ok || fmt.Sprint(auc) != want {
		s.t.Errorf("auc is %v, want %s", auc, want)
	}
}

// An edit is noticed in the second in which a process last read the document,
// although the document has the same time as before.
func TestEditWithinACoarseTick(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]func(s *pyStore, r *modelregistry.ModelRegistry){
		"a look":           func(s *pyStore, r *modelregistry.ModelRegistry) { s.wantAuc(r, "0.7") },
		"a list":           func(s *pyStore, r *modelregistry.ModelRegistry) { s.list(r); s.wantAuc(r, "0.7") },
		"a registration":   func(s *pyStore, r *modelregistry.ModelRegistry) { s.register(r, "1.0.1") },
		"a promotion":      func(s *pyStore, r *modelregistry.ModelRegistry) { s.promote(r, "1.0.0", modelregistry.Staging) },
		"an archiving":     func(s *pyStore, r *modelregistry.ModelRegistry) { s.archive(r, "1.0.0") },
		"another registry": func(s *pyStore, r *modelregistry.ModelRegistry) { s.wantAuc(s.openCoarse(), "0.7") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // so that the second lasts as long as the test
				s := pyNewStore(t)
				r := s.openCoarse()
				s.register(r, "1.0.0")
				s.wantAuc(r, "0.5")
				s.editAuc("0.5", "0.7")
				by(s, r)
				s.wantAuc(r, "0.7")
				s.register(r, "1.1.0")
				s.wantAuc(r, "0.7")
				s.wantAuc(s.open(), "0.7")
				if !bytes.Contains(s.read("registry.json"), []byte(`"auc": 0.7`)) {
					t.Error("the document lost the edit")
				}
				if got := changesOf(s.foreign(r)); len(got) != 1 {
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
		s := pyNewStore(t)
		stamp := time.Now().Add(-tt.age)
		if stamp.Nanosecond() == 0 {
			stamp = stamp.Add(1)
		}
		disk := &stampingDisk{at: stamp}
		r, err := modelregistry.OpenOn(s.dir, nil, func(d fsstore.Disk) fsstore.Disk { disk.Disk = d; return disk })
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s.register(r, "1.0.0")
		s.wantAuc(r, "0.5")
		disk.read = false
		s.wantAuc(r, "0.5")
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
