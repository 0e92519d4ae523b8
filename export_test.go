package modelregistry

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// OpenOn is Open with the store's I/O going through what wrap makes of its
// disk.
func OpenOn(dir string, opts *Options, wrap func(fsstore.Disk) fsstore.Disk) (*ModelRegistry, error) {
	s, err := fsstore.Open(dir)
	if err != nil {
		return nil, err
	}
	s.Wrap(wrap)
	return New(s, opts), nil
}

// NewFolderStoreOn is NewFolderStore with the store's I/O going through what
// wrap makes of its disk.
func NewFolderStoreOn(dir string, wrap func(fsstore.Disk) fsstore.Disk) (Store, error) {
	s, err := fsstore.Open(dir)
	if err != nil {
		return nil, err
	}
	s.Wrap(wrap)
	return s, nil
}

// OpenBooted is OpenOn in a boot of the system that has a name.
func OpenBooted(dir string, opts *Options, boot string, wrap func(fsstore.Disk) fsstore.Disk) (*ModelRegistry, error) {
	s, err := fsstore.Open(dir)
	if err != nil {
		return nil, err
	}
	s.Wrap(wrap)
	s.SetBoot(func() string { return boot })
	return New(s, opts), nil
}

// SetLag makes documents of more than small bytes lag, until the later events
// take 1/share of their size or the model has not changed for idle.
func (r *ModelRegistry) SetLag(small, share int64, idle time.Duration) {
	r.engine.Lag = engine.Lag{Small: small, Share: share, Idle: idle}
}

// VerifyTree checks a version's files against its manifest.
func (r *ModelRegistry) VerifyTree(ctx context.Context, v ModelVersion) error {
	_, err := r.verifyTree(ctx, v, nil)
	return err
}

// FolderStore is the store that Open makes.
func FolderStore(t testing.TB, dir string) Store {
	s, err := fsstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// WithLocks calls fn while every lock is taken that a Live or its registry
// takes.
func (l *Live[T]) WithLocks(fn func()) {
	m, err := l.r.model(l.ref.Name)
	if err != nil {
		panic(err)
	}
	for _, lock := range append(m.Locks(), &l.r.mu, &l.mu) {
		lock.Lock()
		defer lock.Unlock()
	}
	fn()
}

// FailSyncBehind has the next sync of a large file that is being copied fail,
// and no other.
func FailSyncBehind(t *testing.T, err error) {
	var failed atomic.Bool
	artifact.SyncNow = func(f *os.File) error {
		if failed.CompareAndSwap(false, true) {
			return err
		}
		return f.Sync()
	}
	t.Cleanup(func() { artifact.SyncNow = (*os.File).Sync })
}
