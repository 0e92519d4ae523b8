package objectstore

import (
	"context"
	"strings"
	"time"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// Clean returns the uploads that Sweep would remove, and the trees that were
// put aside at least olderThan ago. With remove it sweeps the model, and
// removes these trees. An upload is spared for a day, whatever olderThan is,
// because its process may be alive.
func (s *Store) Clean(ctx context.Context, useCase, model string, olderThan time.Duration, remove bool) (list []driver.Remains, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	uploads, err := s.uploads(ctx, name)
	if err != nil {
		return nil, err
	}
	swept, err := s.Sweep(ctx, name, &SweepOptions{Apply: remove})
	for _, w := range swept {
		if w.Version != "" {
			continue // a version has these files
		}
		found := s.measured(driver.ItemStaging, modelKey(name, stagingDir+w.Upload), uploads[w.Upload])
		if w.Unfinished != "" {
			found = s.measured(driver.ItemStaging, modelKey(name, w.Unfinished), nil)
			found.Bytes, found.Newest = w.Bytes, w.Newest
		}
		found.Removed = remove && err == nil
		list = append(list, found)
	}
	if err != nil {
		return list, err
	}
	orphans, err := s.cleanOrphans(ctx, name, olderThan, remove)
	return append(list, orphans...), err
}

// measured measures the objects of a tree.
func (s *Store) measured(kind driver.ItemKind, key string, objects []object) (r driver.Remains) {
	r.Item = driver.Item{Kind: kind, Path: s.prefix + key}
	for _, o := range objects {
		r.Files++
		r.Bytes += o.size
		if o.time.After(r.Newest) {
			r.Newest = o.time
		}
	}
	return r
}

// cleanOrphans is Clean for the trees that were put aside, and for nothing else
// beside them. Their objects are as old as the copy that put them aside.
func (s *Store) cleanOrphans(ctx context.Context, name mr.ModelName, olderThan time.Duration, remove bool) (list []driver.Remains, err error) {
	dir := modelKey(name, orphansDir)
	objects, err := s.list(ctx, dir, true, 0)
	if err != nil {
		return nil, err
	}
	trees := map[string][]object{}
	for _, o := range objects {
		id, file, ok := strings.Cut(strings.TrimPrefix(o.key, dir), "/")
		if _, ours := pathname.Aside(id); ok && ours && file != "" {
			trees[id] = append(trees[id], o)
		}
	}
	spare := SweepOptions{OlderThan: olderThan}
	for _, id := range sortedKeys(trees) {
		if spare.young(trees[id]) {
			continue
		}
		list = append(list, s.measured(driver.ItemOrphan, dir+id, trees[id]))
	}
	if !remove || len(list) == 0 {
		return list, nil
	}
	v := s.view(ctx, name)
	if err := v.writable(); err != nil {
		return list, err
	}
	if err := s.checkPrefix(ctx); err != nil {
		return list, err
	}
	for i := range list {
		tree := trees[strings.TrimPrefix(list[i].Item.Path, s.prefix+dir)]
		if err := s.removeObjects(ctx, tree, ""); err != nil {
			return list, err
		}
		list[i].Removed = true
	}
	return list, nil
}
