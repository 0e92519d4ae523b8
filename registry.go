package modelregistry

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// A ModelRegistry registers the versions of models and moves them through their
// stages. It is safe for concurrent use, and so are several registries on one
// store, in one process or in many.
type ModelRegistry struct {
	store  Store
	opts   Options
	log    *slog.Logger
	opened time.Time // paces watches
	lag    lag
	mu     sync.Mutex
	models map[ModelName]*model
	closed bool

	manifests artifact.Manifests

	running int        // registrations, and models whose changes are being appended
	idle    *sync.Cond // running fell to 0
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
	r := &ModelRegistry{store: store, opened: time.Now(), lag: defaultLag, models: map[ModelName]*model{}}
	r.idle = sync.NewCond(&r.mu)
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.AlwaysCheckpoint {
		r.lag.small = math.MaxInt64
	}
	if r.log = r.opts.Logger; r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r
}

// Close ends the registry's use of its store. Changes that still wait for their
// turn fail with ErrClosed, as later calls do; Close returns when registrations
// and appends under way are done, and documents that lag were brought up to
// date.
func (r *ModelRegistry) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	models := slices.Collect(maps.Values(r.models))
	r.mu.Unlock()
	for _, m := range models { // not under r.mu: a change takes its queue's lock first
		m.queue.close()
	}
	r.mu.Lock()
	for r.running > 0 {
		r.idle.Wait()
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	for _, m := range models {
		m.catchUp(ctx)
	}
	return r.store.Close()
}

func (r *ModelRegistry) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// start counts something that Close waits for, unless the registry is closed.
func (r *ModelRegistry) start() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.running++
	}
	return !r.closed
}

func (r *ModelRegistry) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running--; r.running == 0 {
		r.idle.Broadcast()
	}
}

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
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if m := r.models[name]; m != nil {
		return m, nil
	}
	if err := name.Validate(); err != nil {
		return nil, err
	}
	m := &model{r: r, name: name}
	r.models[name] = m
	return m, nil
}

// Models yields the names of the models in the store, sorted. After an error it
// goes on with the next.
func (r *ModelRegistry) Models(ctx context.Context) iter.Seq2[ModelName, error] {
	return func(yield func(ModelName, error) bool) {
		if r.isClosed() {
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
	return &Model{Version: v, Path: tree.modelDir, tree: tree.Tree}, nil
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
	err = m.look(ctx, func(s *state) error {
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
	err = m.look(ctx, func(s *state) error {
		if s.Empty() {
			return notFound("model %s", name)
		}
		list = slices.Clone(s.list())
		return nil
	})
	return list, err
}

// model is what the registry holds of one model: its state as last read, and
// the changes that wait for their turn.
type model struct {
	r    *ModelRegistry
	name ModelName

	mu     sync.RWMutex // guards all below but the queue
	state  *state
	behind bool        // this registry left the document behind
	idle   *time.Timer // brings it up to date

	queue queue
}

// look calls fn with the model's present state, under the model's lock.
func (m *model) look(ctx context.Context, fn func(*state) error) error {
	return m.lookAlso(ctx, false, fn)
}

// lookAlso is look. If external is true, it looks for external changes whatever
// that costs.
func (m *model) lookAlso(ctx context.Context, external bool, fn func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.RLock()
	var news driver.View
	var since driver.Revision
	if s := m.state; s != nil && s.rev != nil {
		since = s.rev
		v, changed, err := m.news(ctx, since, external || s.shared())
		if err == nil && !changed {
			defer m.mu.RUnlock()
			return fn(s)
		}
		news = v
	}
	m.mu.RUnlock()
	load := func() error {
		err := m.takeIn(ctx, news, since)
		news = nil // a second read takes a view of its own
		if err != nil && m.r.isClosed() {
			return ErrClosed // whatever a closed store's error is
		}
		return err
	}
	return m.withState(ctx, load, func() error { return fn(m.state) })
}

// news reports whether the model may have changed since a revision, if external
// is true by an external change too, and returns a view of it if the store
// gives that with the answer.
func (m *model) news(ctx context.Context, since driver.Revision, external bool) (v driver.View, changed bool, err error) {
	if s, ok := m.r.store.(driver.Looker); ok {
		v, err = s.Look(ctx, m.name.UseCase, m.name.Model, since)
		return v, v != nil, err
	}
	changed, err = m.r.changed(ctx, m.name, since, external)
	return nil, changed, err
}

// takeIn brings the state up to date with a view of what is new since a
// revision, or without one. A view is as old as the look that made it: if
// others took something in meanwhile, or gave the state up, it could take the
// state back behind what an append under way goes on from. The caller holds the
// lock.
func (m *model) takeIn(ctx context.Context, v driver.View, since driver.Revision) error {
	if v != nil && m.state != nil && m.state.rev == since {
		if err := m.load(v); !errors.Is(err, driver.ErrStaleView) {
			return err
		}
	}
	return m.refresh(ctx)
}

// refresh brings the state up to date. The caller holds the lock.
func (m *model) refresh(ctx context.Context) error {
	return m.r.store.Read(ctx, m.name.UseCase, m.name.Model, m.load)
}
