package objectstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/logformat"
)

// Places yields every model of which anything exists, sorted.
func (s *Store) Places(ctx context.Context) iter.Seq2[driver.Name, error] {
	return s.modelsThat(ctx, func(ctx context.Context, name mr.ModelName) (bool, error) {
		parts, err := s.parts(ctx, name)
		return len(parts) > 0, err
	})
}

// parts lists the names in a model's place that are the store's own.
func (s *Store) parts(ctx context.Context, name mr.ModelName) ([]string, error) {
	dir := modelKey(name, "")
	list, err := s.list(ctx, dir, false, 0)
	var parts []string
	for _, o := range list {
		switch part := o.key[len(dir):]; part {
		case documentName, logName, historyDir, versionsDir, orphansDir:
			parts = append(parts, part)
		}
	}
	return parts, err
}

// Inspect yields the trees in the places of versions, and those that were put
// aside. Uploads are the work of Sweep.
func (s *Store) Inspect(ctx context.Context, useCase, model string) iter.Seq2[driver.Item, error] {
	name := mr.ModelName{UseCase: useCase, Model: model}
	return func(yield func(driver.Item, error) bool) {
		items, err := s.items(ctx, name)
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
		if err != nil {
			yield(driver.Item{}, err)
		}
	}
}

func (s *Store) items(ctx context.Context, name mr.ModelName) (items []driver.Item, err error) {
	parts, err := s.parts(ctx, name)
	if err != nil {
		return nil, err
	}
	if slices.Contains(parts, versionsDir) {
		trees, err := s.trees(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, t := range trees {
			it := driver.Item{Kind: driver.ItemBare, Path: s.prefix + modelKey(name, versionsDir+t.version), Version: t.version}
			if t.sealed {
				it.Kind = driver.ItemTree
			}
			items = append(items, it)
		}
	}
	if slices.Contains(parts, orphansDir) {
		orphans, err := s.list(ctx, modelKey(name, orphansDir), false, 0)
		if err != nil {
			return items, err
		}
		for _, o := range orphans {
			if o.dir {
				items = append(items, driver.Item{Kind: driver.ItemOrphan, Path: s.prefix + strings.TrimSuffix(o.key, "/")})
			}
		}
	}
	if slices.Contains(parts, logName) && !slices.Contains(parts, historyDir) {
		data, err := s.get(ctx, modelKey(name, logName))
		if err == nil && logformat.Whole(data) == 0 {
			items = append(items, driver.Item{Kind: driver.ItemBegun, Path: s.prefix + modelKey(name, logName)})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return items, err
		}
	}
	return items, nil
}
