package removal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/engine"
	"github.com/ubunye-go/modelregistry/internal/index"
)

// A Usage is how much space a model takes in the store, in bytes.
type Usage struct {
	Live, Deleted int64 // the files of versions
	Staging       int64 // files of registrations that are under way or died
	Orphans       int64 // files that were put aside, and what a repair replaced
	Other         int64
	Versions      []VersionUsage // the lowest number first
}

// A VersionUsage is how much space the files of a version take.
type VersionUsage struct {
	Version string
	Files   int
	Bytes   int64
	Deleted bool
}

// UsageStore returns the store that measures models. The error matches
// errors.ErrUnsupported if the store can't.
func UsageStore(s driver.Store) (driver.Usage, error) {
	usage, ok := s.(driver.Usage)
	if !ok {
		return nil, fmt.Errorf("%w: this store can't list its files", errors.ErrUnsupported)
	}
	return usage, nil
}

// Measure measures a model.
func Measure(ctx context.Context, m *engine.Model) (u Usage, err error) {
	store, err := UsageStore(m.Store())
	if err != nil {
		return u, err
	}
	deleted := map[string]bool{}
	err = m.Read(ctx, false, func(s *engine.State) error {
		for _, d := range s.Deletions() {
			deleted[d.Version] = true
		}
		return nil
	})
	if err != nil {
		return u, err
	}
	for item, err := range store.Usage(ctx, m.Name.UseCase, m.Name.Model) {
		if err != nil {
			return u, err
		}
		u.add(item, deleted)
	}
	slices.SortFunc(u.Versions, func(a, b VersionUsage) int { return index.CompareVersions(a.Version, b.Version) })
	return u, nil
}

func (u *Usage) add(item driver.ItemUsage, deleted map[string]bool) {
	switch version := item.Item.Version; item.Item.Kind {
	case driver.ItemTree, driver.ItemBare:
		u.Versions = append(u.Versions, VersionUsage{version, item.Files, item.Bytes, deleted[version]})
		if deleted[version] {
			u.Deleted += item.Bytes
		} else {
			u.Live += item.Bytes
		}
	case driver.ItemStaging:
		u.Staging += item.Bytes
	case driver.ItemOrphan, driver.ItemKept:
		u.Orphans += item.Bytes
	default:
		u.Other += item.Bytes
	}
}
