package objectstore

import (
	"context"
	"iter"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// Usage yields the sizes of a model's objects in the bucket, by one listing.
// Local copies of trees are not counted.
func (s *Store) Usage(ctx context.Context, useCase, model string) iter.Seq2[driver.ItemUsage, error] {
	return func(yield func(driver.ItemUsage, error) bool) {
		dir := modelKey(mr.ModelName{UseCase: useCase, Model: model}, "")
		objects, err := s.list(ctx, dir, true, 0)
		if err != nil {
			yield(driver.ItemUsage{}, err)
			return
		}
		var order []string
		items := map[string]*driver.ItemUsage{}
		for _, o := range objects {
			it, file := itemOf(strings.TrimPrefix(o.key, dir))
			u := items[it.Path]
			if u == nil {
				order = append(order, it.Path)
				u = &driver.ItemUsage{Item: it}
				u.Item.Path = s.prefix + dir + it.Path
				items[it.Path] = u
			}
			u.Files++
			u.Bytes += o.size
			if o.time.After(u.Newest) {
				u.Newest = o.time
			}
			if it.Kind == driver.ItemBare && file == manifestName {
				u.Item.Kind = driver.ItemTree
			}
		}
		for _, at := range order {
			if !yield(*items[at], nil) {
				return
			}
		}
	}
}

// itemOf returns the item that an object of a model belongs to, and the
// object's name in it.
func itemOf(key string) (it driver.Item, file string) {
	part, rest, _ := strings.Cut(key, "/")
	switch part + "/" {
	case historyDir:
		return driver.Item{Kind: driver.ItemLog, Path: part}, rest
	case versionsDir, stagingDir, orphansDir:
		id, file, _ := strings.Cut(rest, "/")
		it = driver.Item{Kind: driver.ItemStaging, Path: part + "/" + id}
		switch part + "/" {
		case versionsDir:
			it.Kind, it.Version = driver.ItemBare, id
		case orphansDir:
			it.Kind = driver.ItemOrphan
		}
		return it, file
	}
	switch key {
	case documentName:
		return driver.Item{Kind: driver.ItemDocument, Path: key}, ""
	case logName:
		return driver.Item{Kind: driver.ItemLog, Path: key}, ""
	}
	return driver.Item{Kind: driver.ItemStrange, Path: key}, ""
}
