package modelregistry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mr "github.com/ubunye-go/modelregistry"
)

// A plant loads things from versions, and records which it made and which were
// closed.
type plant struct {
	t testing.TB

	mu     sync.Mutex
	open   int
	most   int
	made   []string
	shut   []string
	broken map[string]func() error // functions that load calls first, by version
	delay  time.Duration
}

// load returns a thing. It counts as open from the start of the load.
func (p *plant) load(ctx context.Context, m *mr.Model) (x *thing, err error) {
	p.mu.Lock()
	bad := p.broken[m.Version.Version]
	p.open++
	p.most = max(p.most, p.open)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if x == nil {
			p.open--
			return
		}
		p.made = append(p.made, m.Version.Version)
	}()
	if p.delay > 0 {
		time.Sleep(p.delay)
	}
	if bad != nil {
		if err := bad(); err != nil {
			return nil, err
		}
	}
	weights, err := os.ReadFile(filepath.Join(m.Path, "weights.bin"))
	if err != nil {
		return nil, err
	}
	return &thing{p: p, version: m.Version.Version, weights: string(weights)}, nil
}

func (p *plant) breaks(version string, how func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[version] = how
}

// state returns which versions were made and closed, in order.
func (p *plant) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("made %s, closed %s", strings.Join(p.made, " "), strings.Join(p.shut, " "))
}

func (p *plant) want(state string) {
	p.t.Helper()
	if got := p.state(); got != state {
		p.t.Errorf("got  %s\nwant %s", got, state)
	}
}

// A thing is a model in memory.
type thing struct {
	p       *plant
	version string
	weights string
	closed  bool
	err     error
}

func (x *thing) Close() error {
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	if x.closed {
		x.p.t.Errorf("%s is closed twice, want once", x.version)
	}
	x.closed = true
	x.p.open--
	x.p.shut = append(x.p.shut, x.version)
	return x.err
}

func newPlant(t testing.TB) *plant { return &plant{t: t, broken: map[string]func() error{}} }

func wantServing(t testing.TB, l *mr.Live[*thing], version string) {
	t.Helper()
	err := l.Do(func(x *thing, v *mr.ModelVersion) error {
		if x.version != version || v.Version != version || x.closed || x.weights == "" {
			return fmt.Errorf("got version %s and the thing of %s (closed: %t), want %s", v.Version, x.version, x.closed, version)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s := l.Status(); s.Version.Version != version {
		t.Errorf("the status has version %s, want %s", s.Version.Version, version)
	}
}

func goLive(t testing.TB, r *mr.ModelRegistry, ref mr.Ref, p *plant, o *mr.LiveOptions[*thing]) *mr.Live[*thing] {
	t.Helper()
	l, err := mr.NewLive(t.Context(), r, ref, p.load, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if p.most > 2 {
			t.Errorf("%d things were open at once, want at most 2", p.most)
		}
		if p.open != 0 {
			t.Errorf("%d things are open after Close, want none", p.open)
		}
	})
	return l
}

// serving returns a Live that serves 1.0.0, which is in production.
func serving(t testing.TB, o *mr.LiveOptions[*thing]) (*mr.ModelRegistry, *plant, *mr.Live[*thing]) {
	t.Helper()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	p := newPlant(t)
	return r, p, goLive(t, r, fraud.In(mr.Production), p, o)
}

// tick waits as long as a Live may take to follow a change.
func tick() { time.Sleep(mr.DefaultInterval); synctest.Wait() }

// overwriteArtifact changes a version's artifact, but not its size. A stat
// shows only another time.
func overwriteArtifact(t testing.TB, dir, version string) {
	t.Helper()
	name := modelPath(dir, "versions", version, "model", "weights.bin")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, "WEIGHTS")
}
