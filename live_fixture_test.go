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

// A plant makes things of versions, and knows what becomes of each.
type plant struct {
	t testing.TB

	mu     sync.Mutex
	open   int
	most   int
	made   []string
	shut   []string
	broken map[string]func() error // what loading a version does instead
	delay  time.Duration
}

// load counts a thing from when it begins to be made.
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

// state tells what was made and closed.
func (p *plant) state() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("made %s, closed %s", strings.Join(p.made, " "), strings.Join(p.shut, " "))
}

func (p *plant) want(state string) {
	p.t.Helper()
	if got := p.state(); got != state {
		p.t.Errorf("%s\nwant %s", got, state)
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
		x.p.t.Errorf("%s is closed twice", x.version)
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
			return fmt.Errorf("%s by %s (closed: %t), want %s", v.Version, x.version, x.closed, version)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s := l.Status(); s.Version.Version != version {
		t.Errorf("the status says %s serves, want %s", s.Version.Version, version)
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
			t.Errorf("%d in memory at once", p.most)
		}
		if p.open != 0 {
			t.Errorf("%d left in memory", p.open)
		}
	})
	return l
}

// serving has 1.0.0 in production live.
func serving(t testing.TB, o *mr.LiveOptions[*thing]) (*mr.ModelRegistry, *plant, *mr.Live[*thing]) {
	t.Helper()
	r, _ := newStore(t, nil)
	inProduction(t, r, "1.0.0")
	p := newPlant(t)
	return r, p, goLive(t, r, fraud.In(mr.Production), p, o)
}

// tick lets as much time pass as a change may take to be followed.
func tick() { time.Sleep(mr.DefaultInterval); synctest.Wait() }

// overwriteArtifact changes a byte of a version's artifact, and nothing that a
// stat shows but the time.
func overwriteArtifact(t testing.TB, dir, version string) {
	t.Helper()
	name := modelPath(dir, "versions", version, "model", "weights.bin")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, "WEIGHTS")
}
