package modelregistry

import (
	"context"
	"iter"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
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
	derived derived
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
	// AlwaysCheckpoint rewrites registry.json after every change, however large
	// it is. Without it, a registry.json over 1 MiB may lag behind the history:
	// see "On disk" in the package documentation.
	AlwaysCheckpoint bool
	// ExternalChanges lets every read of a bucket notice what another program
	// changed in registry.json. That costs a second request for each read.
	// Without it, these reads do so only for models that another program is
	// known to have changed before. Changes always notice it, and so does every
	// read of a folder.
	ExternalChanges bool
	// Now is the clock; nil means time.Now. It may stand still or run
	// backwards, because the order of events does not depend on it. The
	// exception is a repeated move by a stage: see [MoveOptions].
	Now func() time.Time
}

// Open returns a registry whose store is the folder dir. The folder may be
// missing: the first registration creates it. A program that only reads needs
// no write permission. The error matches ErrInvalid if dir is a URL or begins
// with ~.
func Open(dir string, opts *Options) (*ModelRegistry, error) {
	s, err := openFolder(dir)
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
	lag := engine.DefaultLag
	if r.opts.AlwaysCheckpoint {
		lag.Small = math.MaxInt64
	}
	r.engine = engine.New(engine.Config{Store: store, Log: r.log, Now: r.now, Lag: lag, ExternalChanges: r.opts.ExternalChanges})
	return r
}

// Close closes the registry and its store. Changes that wait for their turn
// fail with ErrClosed, and so do later calls. Close waits for registrations and
// appends in progress. It then brings each registry.json that lags up to date,
// for a second at most.
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
	held, err := r.engine.Model(driver.Name(name))
	if err != nil {
		return nil, err
	}
	m := &model{Model: held}
	r.models[name] = m
	return m, nil
}

// Models yields the names of the models in the store, sorted. If a name can't
// be read, it yields an error and continues with the next one.
func (r *ModelRegistry) Models(ctx context.Context) iter.Seq2[ModelName, error] {
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
	v, err := r.version(ctx, ref)
	if err != nil {
		return nil, err
	}
	tree, err := r.openArtifact(ctx, v)
	if err != nil {
		return nil, err
	}
	if opts != nil && opts.Verify {
		progress := newMeter(opts.Progress)
		if _, err := r.manifests.Verify(ctx, tree.Path(), v.ManifestSHA256, progress); err != nil {
			tree.Close()
			return nil, err
		}
		progress.Done()
	}
	return &Model{Version: v, Path: tree.ModelDir, tree: tree.Tree}, nil
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

// ListVersions returns every version of a model, the one registered last first.
// The order is that of the history, and that of registry.json if there is no
// history. RegisteredAt does not matter, because a clock may be wrong. The
// error matches ErrNotFound if the model does not exist.
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
		list = slices.Clone(s.list())
		return nil
	})
	return list, err
}
