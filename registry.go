package modelregistry

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/derived"
	"github.com/ubunye-go/modelregistry/internal/engine"
)

// A ModelRegistry registers the versions of models and moves them through their
// stages. It is safe for concurrent use. Several registries may use one store
// at the same time, in one process or in many.
type ModelRegistry struct {
	store     Store
	opts      Options
	log       *slog.Logger
	opened    time.Time // polls happen at multiples of their interval since then
	engine    *engine.Engine
	manifests artifact.Manifests

	mu     sync.Mutex
	models map[ModelName]*model
}

// A model is the engine's model, with a cache of what readers derived from its
// state.
type model struct {
	*engine.Model
	derived derived.Cache[ModelVersion]
}

// Options configure a registry. The zero value and nil are valid.
type Options struct {
	// RunID is the lineage run id of every version that is registered, unless
	// the context or RegisterOptions has another one.
	RunID string
	// Actor is the person or program that makes the changes, unless the options
	// of a call name another one.
	Actor string
	// Logger gets warnings, such as refused promotions and failures to write
	// registry.json. If it is nil, the registry logs nothing.
	Logger *slog.Logger
	// Checkpoint says when registry.json is written, for programs that read it
	// without this package. The default is AtClose: a registry.json over 1 MiB
	// may lag behind the history until Close. Always permits no lag, and
	// WhenDue permits it after Close, too.
	Checkpoint CheckpointMode
	// ExternalChanges lets every read of a bucket notice what another program
	// changed in registry.json. That costs a second request for each read.
	// Without it, these reads do so only for models that another program is
	// known to have changed before. Changes always notice it, and so does every
	// read of a folder.
	ExternalChanges bool
	// OneMachine says that only this machine writes to the folder, through one
	// mount. Without it, a write to a bucket that a program such as s3fs mounts
	// as a folder fails with a *[MountError], and the first write to a network
	// file system logs a warning. New does not use it.
	OneMachine bool
	// Now is the clock; nil means time.Now. It may stand still or run
	// backwards, because the order of events does not depend on it. The
	// exception is a repeated move by a stage: see [MoveOptions].
	Now func() time.Time
	// KeepBytes bounds what the registry keeps in memory of models that no call
	// uses at the moment, in bytes of their registry.json. The memory is about
	// three and a half times as much. Above the bound, the registry drops the
	// models that were used least recently, and reads them again at their next
	// use. It keeps the model that was read last, however large that is. 0
	// means DefaultKeepBytes. With a negative number, it keeps no other model.
	KeepBytes int64
}

// DefaultKeepBytes is Options.KeepBytes if that is 0: the documents of some
// 80,000 versions.
const DefaultKeepBytes = 64 << 20

// Open returns a registry whose store is the folder dir. The folder may be
// missing: the first registration creates it. A program that only reads needs
// no write permission. The error matches ErrInvalid if dir is a URL or begins
// with ~.
func Open(dir string, opts *Options) (*ModelRegistry, error) {
	s, err := openFolder(dir, opts)
	if err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	return New(s, opts), nil
}

// New returns a registry that uses store. Close closes the store, too.
func New(store Store, opts *Options) *ModelRegistry {
	r := &ModelRegistry{store: store, opened: time.Now(), models: map[ModelName]*model{}}
	if opts != nil {
		r.opts = *opts
	}
	if r.log = r.opts.Logger; r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.engine = engine.New(engine.Config{Store: store, Log: r.log, Now: r.now, Lag: r.opts.Checkpoint.lag(),
		Keep: cmp.Or(r.opts.KeepBytes, DefaultKeepBytes), ExternalChanges: r.opts.ExternalChanges})
	return r
}

// Close closes the registry and its store. Changes that wait for their turn
// fail with ErrClosed, and so do later calls. Close waits for registrations and
// appends in progress. It then brings each registry.json that lags up to date,
// for a second at most. Options.Checkpoint can turn that off.
func (r *ModelRegistry) Close() error { return r.engine.Close() }

// earliest and latest bound the times that the format can hold. It has no zero
// time, which means "never".
var (
	earliest = time.Time{}.Add(time.Microsecond)
	latest   = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Microsecond)
)

func (r *ModelRegistry) now() time.Time {
	now := time.Now
	if r.opts.Now != nil {
		now = r.opts.Now
	}
	t := now().UTC()
	switch {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	}
	return t
}

// model returns the model of a name. It checks the name, and makes the model at
// the first call.
func (r *ModelRegistry) model(name ModelName) (*model, error) {
	if r.engine.Closed() {
		return nil, ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.models[name]; m != nil {
		return m, nil
	}
	if err := name.Validate(); err != nil {
		return nil, err
	}
	m := &model{}
	held, err := r.engine.Model(driver.Name(name), m.derived.Drop)
	if err != nil {
		return nil, err
	}
	m.Model = held
	r.models[name] = m
	return m, nil
}

// Models yields the names of the models in the store, sorted. A model whose
// versions were all deleted is not among them; its history can be read by its
// name. If a name can't be read, Models yields an error and continues with the
// next one. It reads each model.
func (r *ModelRegistry) Models(ctx context.Context) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		for name, err := range r.names(ctx) {
			if (err != nil || !r.emptied(ctx, name)) && !yield(name, err) {
				return
			}
		}
	}
}

// emptied reports whether a model had versions and has none. It reports false
// if the model can't be read.
func (r *ModelRegistry) emptied(ctx context.Context, name ModelName) (none bool) {
	m, err := r.model(name)
	if err != nil {
		return false
	}
	err = m.read(ctx, func(s state) error {
		none = len(s.Entries) == 0 && !s.Empty()
		return nil
	})
	return err == nil && none
}

// names yields the names of all models, also of those whose versions were all
// deleted.
func (r *ModelRegistry) names(ctx context.Context) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		if r.engine.Closed() {
			yield(ModelName{}, &Error{Op: "list models", Err: ErrClosed})
			return
		}
		for name, err := range modelNames(r.store.Models(ctx)) {
			if !yield(name, opError("list models", name.all(), err)) {
				return
			}
		}
	}
}

// A Model is one version and the folder with its files.
type Model struct {
	Version ModelVersion `json:"version"`
	// Path is the folder with the files of the artifact. A file that was
	// registered by FromFile is in it, under its own name.
	Path string `json:"path"`
	tree driver.Tree
}

// Close ends the use of the files. A store that downloads files may then remove
// its local copy. The folder store does nothing.
func (m *Model) Close() error { return m.tree.Close() }

// GetOptions go with GetModel. The zero value and nil are valid.
type GetOptions struct {
	// Verify checks the artifact against its digests, which reads every byte of
	// it. If a file does not match, the error matches ErrArtifact.
	Verify bool
	// Progress is called about ten times a second during that check, and once
	// at the end. Calls do not overlap.
	Progress func(Progress)
}

// GetModel returns the version that ref means and the folder with its files.
// The caller should close the Model after use. While the model does not change,
// GetModel reads no file of the registry.
//
// The error matches ErrNotFound if ref means no version, ErrConflict if ref
// names a version and a stage and the version is in another stage, and
// ErrArtifact if the files are missing.
func (r *ModelRegistry) GetModel(ctx context.Context, ref Ref, opts *GetOptions) (_ *Model, err error) {
	defer func() { err = opError("get", ref, err) }()
	m, err := r.fetch(ctx, ref, nil)
	if err != nil || opts == nil || !opts.Verify {
		return m, err
	}
	if err := r.checkDigests(ctx, m, opts.Progress); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// fetch is GetModel without a check of the files. progress, if it is not nil,
// is called as by a driver.Fetcher.
func (r *ModelRegistry) fetch(ctx context.Context, ref Ref, progress func(done, total int64)) (*Model, error) {
	v, err := r.version(ctx, ref)
	if err != nil {
		return nil, err
	}
	tree, err := artifact.OpenTree(ctx, r.store, driver.Name(v.Name), v.Version, progress)
	if err != nil {
		return nil, err
	}
	return &Model{Version: v, Path: tree.ModelDir, tree: tree.Tree}, nil
}

// checkDigests checks the files of a model against their digests.
func (r *ModelRegistry) checkDigests(ctx context.Context, m *Model, report func(Progress)) error {
	progress := newMeter(report)
	if _, err := r.manifests.Verify(ctx, m.tree.Path(), m.Version.ManifestSHA256, progress); err != nil {
		return err
	}
	progress.Done()
	return nil
}

// GetVersion returns the version that ref means. It is like GetModel, but does
// not check that the files exist.
func (r *ModelRegistry) GetVersion(ctx context.Context, ref Ref) (ModelVersion, error) {
	v, err := r.version(ctx, ref)
	return v, opError("get", ref, err)
}

func (r *ModelRegistry) version(ctx context.Context, ref Ref) (v ModelVersion, err error) {
	if err := ref.check(); err != nil {
		return v, err
	}
	m, err := r.model(ref.Name)
	if err != nil {
		return v, err
	}
	err = m.read(ctx, func(s state) error {
		v, err = ref.in(s)
		return err
	})
	return v, err
}

// ListVersions returns every version of a model, the newest registration first.
// The order is that of the history, or of registry.json if there is no history.
// RegisteredAt does not matter, because a clock may be wrong. The error matches
// ErrNotFound if the model does not exist.
func (r *ModelRegistry) ListVersions(ctx context.Context, name ModelName) (list []ModelVersion, err error) {
	defer func() { err = opError("list", name.all(), err) }()
	m, err := r.model(name)
	if err != nil {
		return nil, err
	}
	err = m.read(ctx, func(s state) error {
		if s.Empty() {
			return notFound("model %s", name)
		}
		list = s.derived.Versions(s.State.State, s.view)
		return nil
	})
	return list, err
}
