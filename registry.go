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
// stages. It is safe for concurrent use, and so are several registries on one
// store, in one process or in many.
type ModelRegistry struct {
	store     Store
	opts      Options
	log       *slog.Logger
	opened    time.Time // paces watches
	engine    *engine.Engine
	manifests artifact.Manifests

	mu     sync.Mutex
	models map[ModelName]*model
}

// A model is the engine's model, with what readers made of its state.
type model struct {
	*engine.Model
	derived derived
}

// Options configure a registry. The zero value and nil serve.
type Options struct {
	// RunID reaches every version that is registered, as its lineage run id,
	// unless the context or the registration carries its own.
	RunID string
	// Actor is who registers and moves, unless the call says otherwise.
	Actor string
	// Logger is told of refused promotions and of checkpoints that could not be
	// written; nil is silent.
	Logger *slog.Logger
	// AlwaysCheckpoint brings registry.json up to date with every change,
	// however large it is. Without it a document over 1 MiB may lag behind the
	// history: see "On disk" in the package's doc.
	AlwaysCheckpoint bool
	// ExternalChanges has every look notice what another program changed in
	// registry.json. A folder shows that anyway. In a bucket it costs a second
	// request for each look, so without it only a change notices, and a look at
	// a model that another program is known to have changed before.
	ExternalChanges bool
	// Now is the clock; nil takes time.Now. It may stand still or run
	// backwards: the history decides what came first, not the clock. The
	// exception is a repeated move by a stage, see [MoveOptions].
	Now func() time.Time
}

// Open returns a registry on the folder store in dir. The folder may be
// missing; the first registration makes it. Reading needs no right to write. A
// URL and a name with a leading ~ match ErrInvalid.
func Open(dir string, opts *Options) (*ModelRegistry, error) {
	s, err := openFolder(dir)
	if err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	return New(s, opts), nil
}

// New returns a registry on any store. The registry's Close closes the store.
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

// Close ends the registry's use of its store. Changes that still wait for their
// turn fail with ErrClosed, as later calls do; Close returns when registrations
// and appends under way are done, and documents that lag were brought up to
// date.
func (r *ModelRegistry) Close() error { return r.engine.Close() }

// The times that the format can write. The zero time would read as none.
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

// model returns what is held of a model, after its name was checked.
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

// Models yields the names of the models in the store, sorted. After an error it
// goes on with the next.
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

// A Model is one version with its files.
type Model struct {
	Version ModelVersion `json:"version"`
	// Path is the folder of the artifact: the directory that was registered, or
	// the one that holds the file that was.
	Path string `json:"path"`
	tree driver.Tree
}

// Close says that the files are no longer used. The folder store keeps them
// anyway; a store that keeps a local copy may then drop it.
func (m *Model) Close() error { return m.tree.Close() }

// GetOptions say how to get a model. The zero value and nil serve.
type GetOptions struct {
	// Verify checks the artifact against its digests, which reads every byte of
	// it. What does not match is ErrArtifact.
	Verify bool
	// Progress is told how far that is, some ten times a second and at the end,
	// by one goroutine at a time.
	Progress func(Progress)
}

// GetModel returns the version that ref names, and where its artifact lies. It
// matches ErrNotFound if there is no such version or nothing is in that stage
// or range, ErrConflict if ref names both and the version is in another stage,
// and ErrArtifact if the files are gone. While the model does not change it
// reads no file.
func (r *ModelRegistry) GetModel(ctx context.Context, ref Ref, opts *GetOptions) (_ *Model, err error) {
	defer func() { err = opError("get", ref, err) }()
	v, err := r.version(ctx, ref)
	if err != nil {
		return nil, err
	}
	if opts != nil && opts.Verify {
		if err := r.verifyTelling(ctx, v, opts.Progress); err != nil {
			return nil, err
		}
	}
	tree, err := r.openArtifact(ctx, v)
	if err != nil {
		return nil, err
	}
	return &Model{Version: v, Path: tree.ModelDir, tree: tree.Tree}, nil
}

// GetVersion returns what the registry knows of the version that ref names,
// without looking for its files.
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

// ListVersions returns every version of a model, newest first by registration
// time, ties by version, highest first.
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
