package objectstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// checkFirst returns why a model may not be made: it lost its changes and its
// document, or another model's name differs in case only. It returns errBegun
// if the first change was made meanwhile. For a model that has a change it
// makes no request.
func (v *view) checkFirst() error {
	if v.newest > 0 {
		return nil
	}
	if _, _, err := v.copied(0); err != nil || v.hasCopy {
		return err
	}
	there, err := v.s.exists(v.ctx, modelKey(v.name, documentName))
	if there || err != nil {
		return err
	}
	if err := v.s.checkLost(v.ctx, v.name); err != nil {
		return err
	}
	return v.s.checkAlike(v.ctx, v.name)
}

// checkLost returns an error if there are versions that a registry made. Files
// are put in their place after the change that names them, so there was such a
// change.
func (s *Store) checkLost(ctx context.Context, name mr.ModelName) error {
	trees, err := s.trees(ctx, name)
	if err != nil {
		return err
	}
	var sealed []string
	for _, t := range trees {
		if t.sealed {
			sealed = append(sealed, t.version)
		}
	}
	if sealed == nil {
		return nil
	}
	if begun, err := s.exists(ctx, slotKey(name, 1)); err != nil {
		return err
	} else if begun {
		return errBegun
	}
	const shown = 5
	more := ""
	if n := len(sealed) - shown; n > 0 {
		sealed, more = sealed[:shown], fmt.Sprintf(" and %d more", n)
	}
	return &Error{"change", s.prefix + modelKey(name, versionsDir), fmt.Errorf(
		"%w, and %s%s exist: copy the model to a folder and repair it there", mr.ErrIndexLost, strings.Join(sealed, ", "), more)}
}

// A placedTree is a tree in a version's place.
type placedTree struct {
	version string
	sealed  bool // the tree has a manifest
}

// trees lists the trees in the places of versions, sorted.
func (s *Store) trees(ctx context.Context, name mr.ModelName) (found []placedTree, err error) {
	dir := modelKey(name, versionsDir)
	list, err := s.list(ctx, dir, true, 0)
	for _, o := range list {
		version, file, ok := strings.Cut(strings.TrimPrefix(o.key, dir), "/")
		if !ok || file == "" || driver.CheckVersion(version) != nil {
			continue
		}
		if len(found) == 0 || found[len(found)-1].version != version {
			found = append(found, placedTree{version: version})
		}
		if file == manifestName {
			found[len(found)-1].sealed = true
		}
	}
	return found, err
}

// checkAlike returns a *NameError if a model exists whose name differs from
// this one in case only.
func (s *Store) checkAlike(ctx context.Context, name mr.ModelName) error {
	useCases, err := s.useCases(ctx)
	if err != nil {
		return err
	}
	for _, useCase := range useCases {
		if !strings.EqualFold(useCase, name.UseCase) {
			continue
		}
		models, err := s.modelNames(ctx, useCase)
		if err != nil {
			return err
		}
		for _, model := range models {
			other := mr.ModelName{UseCase: useCase, Model: model}
			if other == name || !strings.EqualFold(model, name.Model) {
				continue
			}
			if there, err := s.isModel(ctx, other); err != nil {
				return err
			} else if there {
				return &driver.NameError{Name: driver.Name(name), Other: driver.Name(other)}
			}
		}
	}
	return nil
}

// checkStage refuses a tree of a new model before it is uploaded, if no change
// would accept it.
func (s *Store) checkStage(ctx context.Context, name mr.ModelName) error {
	v := s.view(ctx, name)
	v.newest = 0
	if err := v.checkFirst(); !errors.Is(err, errBegun) {
		return err
	}
	return nil
}
