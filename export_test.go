package modelregistry

import (
	"context"
	"os"
	"reflect"
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
	return r.verifyTree(ctx, v, nil)
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
func (l *Live[T]) WithLocks(r *ModelRegistry, fn func()) {
	m, err := r.model(l.ref.Name)
	if err != nil {
		panic(err)
	}
	for _, lock := range append(m.Locks(), &r.mu, l.follower.Lock()) {
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

// UncomparedFields returns the fields of a version whose change a promotion
// with a function as a gate does not notice. The name and the number identify
// the version, and Existing is no property of it.
func UncomparedFields(t testing.TB) (fields []string) {
	changed := map[string]func(*ModelVersion){
		"Metrics":    func(v *ModelVersion) { v.Metrics.raw = []byte(`{"a": 1}`) },
		"Metadata":   func(v *ModelVersion) { v.Metadata.raw = []byte(`{"a": 1}`) },
		"Gates":      func(v *ModelVersion) { v.Gates = MinMetric("a", 1) },
		"Hold":       func(v *ModelVersion) { v.Hold = &VersionHold{By: "a"} },
		"ModelGates": func(v *ModelVersion) { v.ModelGates = MinMetric("a", 1) },
	}
	for i := range reflect.TypeFor[ModelVersion]().NumField() {
		name := reflect.TypeFor[ModelVersion]().Field(i).Name
		if name == "Name" || name == "Version" || name == "Existing" {
			continue
		}
		var v ModelVersion
		switch f := reflect.ValueOf(&v).Elem().Field(i); {
		case changed[name] != nil:
			changed[name](&v)
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Unix(1, 0)))
		case f.Kind() == reflect.String:
			f.SetString("changed")
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case f.Kind() == reflect.Map:
			f.Set(reflect.MakeMap(f.Type()))
			f.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
		default:
			t.Errorf("field %s has no example of a change", name)
		}
		if sameForGates(v, ModelVersion{}) && sameOtherwise(v, ModelVersion{}) {
			fields = append(fields, name)
		}
	}
	return fields
}
