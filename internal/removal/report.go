package removal

import (
	"context"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Report is what a purge removes or removed.
type Report struct {
	Versions []Version
	Remains  []driver.Remains // what failed registrations left
}

// Run purges the model. Without apply it only lists what it would remove. The
// error is an *index.AbsentError if there is nothing of the model.
func (p Purge) Run(ctx context.Context, apply bool) (r Report, err error) {
	var due []index.Deletion
	exists := false
	err = p.Model.Read(ctx, false, func(s *engine.State) error {
		due, exists = p.due(s), !s.Empty()
		if apply {
			return engine.Writable(s.Facts)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if r.Versions, err = p.withFiles(ctx, due); err != nil {
		return r, err
	}
	if r.Remains, err = p.clean(ctx, false); err != nil {
		return r, err
	}
	if !exists && len(r.Remains) == 0 {
		return r, &index.AbsentError{What: "model " + p.Model.Name.String()}
	}
	if apply && len(r.Versions) > 0 {
		if err := p.removeVersions(ctx, r.Versions); err != nil {
			return r, err
		}
	}
	if apply && len(r.Remains) > 0 {
		r.Remains, err = p.clean(ctx, true)
	}
	return r, err
}

// clean lists what failed registrations left, and removes it if remove is true.
func (p Purge) clean(ctx context.Context, remove bool) ([]driver.Remains, error) {
	store, ok := p.Model.Store().(driver.Cleaner)
	if !ok {
		return nil, nil
	}
	return store.Clean(ctx, p.Model.Name.UseCase, p.Model.Name.Model, p.OlderThan, remove)
}
