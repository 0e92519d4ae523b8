package modelregistry_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// A remote is a folder store that has to download the versions, as a bucket
// does. A version that is held is not downloaded until it is let go.
type remote struct {
	mr.Store
	dir string

	mu      sync.Mutex
	here    map[string]bool
	held    map[string]chan struct{}
	trickle bool // of a held version, one more byte comes every ten seconds
	fetches []string
	broken  error // of every look
}

func (s *remote) Changed(ctx context.Context, useCase, model string, since driver.Revision) (bool, error) {
	s.mu.Lock()
	err := s.broken
	s.mu.Unlock()
	if err != nil {
		return true, err
	}
	return s.Store.Changed(ctx, useCase, model, since)
}

func (s *remote) Read(ctx context.Context, useCase, model string, look func(driver.View) error) error {
	s.mu.Lock()
	err := s.broken
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.Read(ctx, useCase, model, look)
}

func (s *remote) breaks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *remote) hold(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[version] = make(chan struct{})
}

func (s *remote) letGo(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.held[version])
	delete(s.held, version)
}

// fetched returns which downloads began, in order.
func (s *remote) fetched() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.fetches, " ")
}

func (s *remote) ReadTree(ctx context.Context, useCase, model, version string) (driver.TreeFiles, error) {
	return s.Store.(driver.TreeReader).ReadTree(ctx, useCase, model, version)
}

func (s *remote) CachedTree(ctx context.Context, useCase, model, version string) (driver.Tree, driver.TreeFiles, error) {
	s.mu.Lock()
	here := s.here[version]
	s.mu.Unlock()
	if here {
		tree, err := s.Store.OpenTree(ctx, useCase, model, version)
		return tree, nil, err
	}
	files, err := s.ReadTree(ctx, useCase, model, version)
	return nil, files, err
}

func (s *remote) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	return s.FetchTree(ctx, useCase, model, version, func(int64, int64) {})
}

func (s *remote) FetchTree(ctx context.Context, useCase, model, version string, progress func(done, total int64)) (driver.Tree, error) {
	s.mu.Lock()
	here, held := s.here[version], s.held[version]
	if !here {
		s.fetches = append(s.fetches, version)
	}
	s.mu.Unlock()
	if !here {
		if err := s.download(ctx, held, progress); err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.here[version] = true
		s.mu.Unlock()
	}
	return s.Store.OpenTree(ctx, useCase, model, version)
}

func (s *remote) download(ctx context.Context, held chan struct{}, progress func(done, total int64)) error {
	const total = 1000
	progress(0, total)
	for done := int64(400); held != nil; done++ {
		progress(done, total)
		var more <-chan time.Time
		if s.trickle {
			more = time.After(10 * time.Second)
		}
		select {
		case <-held:
			held = nil
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	progress(total, total)
	return nil
}

// newRemote opens a registry on a remote store, and one that sets it up.
func newRemote(t testing.TB) (s *remote, r, setUp *mr.ModelRegistry) {
	t.Helper()
	setUp, dir := newStore(t, nil)
	s, r = openRemote(t, dir)
	return s, r, setUp
}

func openRemote(t testing.TB, dir string) (*remote, *mr.ModelRegistry) {
	s := &remote{Store: mr.FolderStore(t, dir), dir: dir, here: map[string]bool{}, held: map[string]chan struct{}{}}
	r := mr.New(s, nil)
	t.Cleanup(func() { r.Close() })
	return s, r
}

func wantFetched(t testing.TB, s *remote, want string) {
	t.Helper()
	if got := s.fetched(); got != want {
		t.Errorf("downloaded %q, want %q", got, want)
	}
}
