package modelregistry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// RegisterOptions describe a registration. The zero value and nil serve.
type RegisterOptions struct {
	// Version pins the version's number, a strict SemVer ("1.2.3"). Empty takes
	// the next: the patch of the highest release plus one; if there are
	// pre-releases only, the release that the highest leads to; 1.0.0 for the
	// first. A number once given out is never given again.
	Version string

	// Metrics are what training measured, Metadata what the model says of
	// itself: any values with a JSON form. A NaN or an infinity in them is
	// refused, for it would break every JSON tool that reads the store, unless
	// AllowNonFinite is set.
	Metrics        map[string]any
	Metadata       map[string]any
	AllowNonFinite bool

	// Gates are kept with the version and apply to every promotion of it.
	Gates PromotionGate

	LineageRunID   string // the run that produced it; empty takes the context's or the registry's
	ConfigHash     string // see ConfigHash
	SourceRevision string // empty takes the running program's, from its build info
	Actor          string // who registers it; empty takes the registry's Actor
	Reason         string // why, for the history

	// Progress is told how far the files are, some ten times a second and at
	// the end, by one goroutine at a time. The work waits for it, so it should
	// return soon.
	Progress func(Progress)
}

// Register adds a version, in development. It saves and hashes the artifact
// first, where no reader sees it; the version shows whole or not at all. A
// pinned version that was given out before is ErrExists, and nothing changes.
// When Register returns, the version survives a power cut.
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
	defer r.engine.Stop() // Close leaves time to clear the staging away
	if err := a.source.Check(); err != nil {
		return v, err
	}
	reg, err := r.registration(ctx, o)
	if err != nil {
		return v, err
	}
	if err := m.early(ctx, o.Version); err != nil {
		return v, err
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
	if reg.extra.Manifest, err = files.FillTree(a.source, reg.Metadata, reg.Metrics); err != nil {
		return v, err
	}
	if err := files.Seal(staged.Seal); err != nil {
		return v, err
	}
	progress.Done()
	v, err = m.change(ctx, func(t *txn) (string, error) { return reg.decide(t, o) }, staged)
	registered = err == nil
	return v, err
}

// early refuses a taken version before the artifact is saved.
func (m *model) early(ctx context.Context, version string) error {
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

// A registration is what was made of RegisterOptions before the artifact is
// saved.
type registration struct {
	index.Registration
	extra index.Extra
}

func (r *ModelRegistry) registration(ctx context.Context, o RegisterOptions) (reg registration, err error) {
	if o.Version != "" {
		if _, err := checkVersion(o.Version); err != nil {
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
		if reg.extra.Gates, err = Gates(o.Gates).MarshalJSON(); err != nil {
			return reg, fmt.Errorf("%w gates to keep: %w", ErrInvalid, err)
		}
	}
	reg.RunID = firstOf(o.LineageRunID, runID(ctx), r.opts.RunID)
	reg.ConfigHash = o.ConfigHash
	reg.extra.RegisteredBy = firstOf(o.Actor, r.opts.Actor)
	reg.extra.SourceRevision = firstOf(o.SourceRevision, sourceRevision())
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

func (reg registration) decide(t *txn, o RegisterOptions) (version string, err error) {
	if version = o.Version; version == "" {
		version, err = t.NextNumber()
	} else {
		err = t.Free(version)
	}
	if err != nil {
		return version, err
	}
	raw := reg.Entry(version, t.Now)
	x, err := reg.extra.Encode()
	if err != nil {
		return version, err
	}
	return version, t.Register(version, raw, x, reg.extra.RegisteredBy, o.Reason)
}
