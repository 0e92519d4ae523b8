package modelregistry

import (
	"context"
	"math"

	"github.com/ubunye-go/modelregistry/internal/engine"
)

// A CheckpointMode says when a registry writes the registry.json of a model
// that it changes. Up to 1 MiB it does so after every change, in all modes. The
// mode does not matter to this package: its readers see every change in the
// history. It matters to programs that read registry.json alone, such as jq and
// Python.
type CheckpointMode int

const (
	// AtClose lets a registry.json over 1 MiB lag behind the history while
	// changes go on. It is written when the events that it lacks take an eighth
	// of its size, when the registry has not changed the model for a second,
	// and at Close. It is the default.
	AtClose CheckpointMode = iota
	// Always writes registry.json after every change, however large it is.
	Always
	// WhenDue writes a registry.json over 1 MiB only when the events that it
	// lacks take an eighth of its size. It may lag also after Close. A process
	// that makes one change and ends is then about twice as fast.
	WhenDue
)

// lag returns how far a document may lag in the mode.
func (c CheckpointMode) lag() engine.Lag {
	lag := engine.DefaultLag
	switch c {
	case Always:
		lag.Small = math.MaxInt64
	case WhenDue:
		lag.OnlyDue = true
	}
	return lag
}

// Checkpoint brings the registry.json of a model up to date, in any
// [CheckpointMode]. It also records what another program changed in
// registry.json, as the next change would. If registry.json is up to date,
// Checkpoint writes nothing.
//
// The error matches ErrNotFound if the model does not exist, and ErrOvertaken
// if another program keeps writing registry.json meanwhile. It is a
// *CorruptError if registry.json is damaged; Repair writes it again.
func (r *ModelRegistry) Checkpoint(ctx context.Context, name ModelName) (err error) {
	defer func() { err = opError("checkpoint", name.all(), err) }()
	m, err := r.model(name)
	if err != nil {
		return err
	}
	err = m.read(ctx, func(s state) error {
		if s.Empty() {
			return notFound("model %s", name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.Checkpoint(ctx)
}
