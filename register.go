package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// RegisterOptions describe a version to register. The zero value and nil are
// valid.
type RegisterOptions struct {
	// Version is the version's number, a strict SemVer such as "1.2.3". If it
	// is empty, the registry chooses the number. It takes the highest release
	// and increases its patch number. If there are only pre-releases, it takes
	// the release of the highest one. The first number is 1.0.0. A number is
	// never used twice. A number whose place in the store has files of another
	// program is skipped with a warning.
	Version string

	// Metrics are the measurements of the training, and Metadata describes the
	// model. Their values need a JSON form. NaN and infinite values are refused
	// unless AllowNonFinite is set, because most JSON tools could not read the
	// store.
	Metrics        map[string]any
	Metadata       map[string]any
	AllowNonFinite bool

	// Gates are stored with the version and apply to each of its promotions.
	Gates PromotionGate

	// Note has the tags and the description of the version. Remove must be
	// empty.
	Note Note

	// Once is a key that identifies this registration, such as the id of a run
	// or a commit, so that a restarted job does not register its model twice.
	// If a version of the model was registered with the same key and the same
	// artifact, Register returns that version, with Existing set, and registers
	// nothing. The other options are then not used, except that a Version must
	// be the number of that version. If it is another one, or if that version
	// has another artifact or was deleted, the error matches ErrExists. A key
	// has at most MaxOnce bytes of UTF-8.
	Once string

	LineageRunID   string // the run that produced the version; by default that of WithRunID, then Options.RunID
	ConfigHash     string // the hash of the run's configuration; see ConfigHash
	SourceRevision string // by default that of the running program, from its build info
	Actor          string // the person or program that registers; by default Options.Actor
	Reason         string // the reason, for the history

	// Progress is called about ten times a second while files are saved, copied
	// and hashed, and once at the end. Calls do not overlap. The registration
	// waits for it, so it should return quickly.
	Progress func(Progress)
}

// MaxOnce is the length of the longest RegisterOptions.Once in bytes.
const MaxOnce = 256

// Register adds a version of a model, in development. It saves and hashes the
// artifact first, where readers do not see it, so a reader sees the whole
// version or nothing. The error matches ErrExists if the number in opts was
// used before, and ErrArtifact if the artifact can't be used. When Register has
// returned without an error, the version survives a power cut.
func (r *ModelRegistry) Register(ctx context.Context, name ModelName, a Artifact, opts *RegisterOptions) (v ModelVersion, err error) {
	var o RegisterOptions
	if opts != nil {
		o = *opts
	}
	defer func() { err = opError(index.OpRegister, name.At(o.Version), err) }()
	m, err := r.model(name)
	if err != nil {
		return v, err
	}
	if !r.engine.Start() {
		return v, ErrClosed
	}
	defer r.engine.Stop() // Close waits until the staging folder is removed
	if err := a.source.Check(); err != nil {
		return v, err
	}
	reg, err := r.registration(ctx, name, o)
	if err != nil {
		return v, err
	}
	if o.Once == "" { // else the number may be that of the version that is there
		if err := m.checkFree(ctx, o.Version); err != nil {
			return v, err
		}
	}
	staged, err := r.store.Stage(ctx, name.UseCase, name.Model)
	if err != nil {
		return v, err
	}
	defer func() {
		if discardErr := staged.Discard(); discardErr != nil {
			r.log.LogAttrs(ctx, slog.LevelWarn, "staging not removed", slog.String("model", name.String()), slog.Any("error", discardErr))
		}
	}()
	progress := newMeter(o.Progress)
	files := artifact.NewHasher(ctx, staged.Dir(), progress)
	registered := false
	defer func() {
		if !registered {
			err = errors.Join(err, files.GiveBack())
		}
	}()
	if reg.Extra.Manifest, err = files.FillTree(a.source, reg.Metadata, reg.Metrics); err != nil {
		return v, err
	}
	if err := files.Seal(staged.Seal); err != nil {
		return v, err
	}
	progress.Done()
	if o.Once != "" {
		reg.Extra.Once = &index.Once{Key: o.Once, Files: files.FilesDigest()}
	}
	v, err = r.commitRegistration(ctx, m, reg, staged)
	registered = err == nil && !v.Existing
	return v, err
}

// commitRegistration makes a staged tree a version. If the registry chooses the
// number, it skips those whose place has files of another program: a save that
// failed, or one in progress.
func (r *ModelRegistry) commitRegistration(ctx context.Context, m *model, reg index.Registration, staged driver.Staged) (ModelVersion, error) {
	skip := map[string]bool{}
	for {
		existing := false
		v, err := m.change(ctx, func(t *txn) (version string, err error) {
			version, existing, err = reg.Decide(t.Txn.Txn, skip)
			if existing && reg.Version != "" && version != reg.Version {
				err = fmt.Errorf("%w with the key %q, as version %s", ErrExists, reg.Extra.Once.Key, version)
			}
			return version, err
		}, staged)
		v.Existing = existing && err == nil
		var occupied *driver.OccupiedError
		if reg.Version != "" || !errors.As(err, &occupied) || skip[occupied.Version] {
			return v, err
		}
		skip[occupied.Version] = true
		r.log.LogAttrs(ctx, slog.LevelWarn, "version number skipped", slog.String("model", m.Name.String()), slog.Any("error", err))
	}
}

// checkFree refuses a used version number before the artifact is saved.
func (m *model) checkFree(ctx context.Context, version string) error {
	if version == "" {
		return nil
	}
	return m.read(ctx, func(s state) error {
		if err := engine.Writable(s.Facts); err != nil {
			return err
		}
		return indexError(engine.NewTxn(s.State, time.Time{}).Free(version))
	})
}

// registration checks and encodes the options of a registration.
func (r *ModelRegistry) registration(ctx context.Context, name ModelName, o RegisterOptions) (reg index.Registration, err error) {
	if o.Version != "" {
		if err := checkVersion(o.Version); err != nil {
			return reg, err
		}
	}
	if reg.Metrics, err = encodeValues("metrics", o.Metrics, !o.AllowNonFinite); err != nil {
		return reg, err
	}
	if reg.Metadata, err = encodeValues("metadata", o.Metadata, !o.AllowNonFinite); err != nil {
		return reg, err
	}
	if o.Gates.Len() > 0 {
		if reg.Extra.Gates, err = encodeGates(name, o.Gates); err != nil {
			return reg, err
		}
	}
	if err := o.Note.check(); err != nil {
		return reg, err
	}
	if len(o.Note.Remove) > 0 {
		return reg, invalid("note: a new version has no tag to remove")
	}
	if len(o.Once) > MaxOnce || !utf8.ValidString(o.Once) {
		return reg, invalid("key %q: want at most %d bytes of UTF-8", o.Once, MaxOnce)
	}
	after, changed, err := editNote(index.AnnotationEdit(o.Note), index.Annotation{}, nil, MaxNote)
	if err != nil {
		return reg, err
	}
	reg.Note, reg.Description = changed, after.Description
	reg.Version, reg.Reason = o.Version, o.Reason
	reg.RunID = firstOf(o.LineageRunID, runID(ctx), r.opts.RunID)
	reg.ConfigHash = o.ConfigHash
	reg.Extra.RegisteredBy = firstOf(o.Actor, r.opts.Actor)
	reg.Extra.SourceRevision = firstOf(o.SourceRevision, sourceRevision())
	return reg, nil
}

func encodeValues(what string, m map[string]any, finite bool) ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	raw, err := pyjson.Marshal(m, finite)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrInvalid, what, err)
	}
	return raw, nil
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
