//go:build unix

package crash

import (
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/internal/crashtest"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// A machine is what a registry runs on. The zero machine is this one.
type machine struct {
	disk func(fsstore.Disk) fsstore.Disk // what it makes of the store's disk
	boot string                          // the name of the system's boot
	lag  engine.Lag                      // how far documents may lag, if not as far as by default
}

// opening guards engine.DefaultLag, which a registry reads when it is opened.
// Nothing else in this package opens a registry.
var opening sync.Mutex

// open opens a registry that runs on m.
func (m machine) open(dir string, opts *mr.Options) (*mr.ModelRegistry, error) {
	s, err := fsstore.Open(dir)
	if err != nil {
		return nil, err
	}
	if m.disk != nil {
		s.Wrap(m.disk)
	}
	if m.boot != "" {
		s.SetBoot(func() string { return m.boot })
	}
	opening.Lock()
	defer opening.Unlock()
	if m.lag != (engine.Lag{}) {
		usual := engine.DefaultLag
		engine.DefaultLag = m.lag
		defer func() { engine.DefaultLag = usual }()
	}
	return mr.New(s, opts), nil
}

// noSync is the disk of a registry that reads what a crash or a fault left.
func noSync(d fsstore.Disk) fsstore.Disk { return crashtest.NoSync{Disk: d} }

// lagFromTheStart has a document of any size lag until the model was not
// changed for idle.
func lagFromTheStart(idle time.Duration) engine.Lag {
	return engine.Lag{Small: -1, Share: 1, Idle: idle}
}

// openStore opens a registry on this machine, until the test ends.
func openStore(t testing.TB, dir string, opts *mr.Options) *mr.ModelRegistry {
	t.Helper()
	r, err := machine{}.open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}
