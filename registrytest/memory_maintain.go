package registrytest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// Usage, removal and repair of a store in memory.

func (s *memStore) Usage(_ context.Context, useCase, model string) iter.Seq2[driver.ItemUsage, error] {
	return func(yield func(driver.ItemUsage, error) bool) {
		v := s.view(mr.ModelName{UseCase: useCase, Model: model})
		if v.log != nil && !yield(driver.ItemUsage{Item: driver.Item{Kind: driver.ItemLog}, Files: 1, Bytes: int64(len(v.log))}, nil) {
			return
		}
		if v.document != nil && !yield(driver.ItemUsage{Item: driver.Item{Kind: driver.ItemDocument}, Files: 1, Bytes: int64(len(v.document))}, nil) {
			return
		}
		for version, dir := range v.trees {
			kind, err := v.Tree(version)
			u := driver.ItemUsage{Item: driver.Item{Kind: kind, Path: dir, Version: version}}
			files, readErr := readFiles(dir)
			for _, data := range files {
				u.Files++
				u.Bytes += int64(len(data))
			}
			if !yield(u, errors.Join(err, readErr)) {
				return
			}
		}
	}
}

func (s *memStore) RemoveTrees(ctx context.Context, useCase, model string, decide func(driver.View) ([]string, error)) (removed []string, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	held, release, err := s.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()
	versions, err := decide(s.view(name))
	if err != nil {
		return nil, err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, version := range versions {
		dir, ok := held.trees[version]
		if !ok {
			continue
		}
		delete(held.trees, version)
		removed = append(removed, version)
		if err := removeAll(dir); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// removeAll removes a tree, which may be read-only.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(name, 0o777)
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// Inspect yields trees, trees that were put aside, and the files that a repair
// replaced.
func (s *memStore) Inspect(_ context.Context, useCase, model string) iter.Seq2[driver.Item, error] {
	name := mr.ModelName{UseCase: useCase, Model: model}
	return func(yield func(driver.Item, error) bool) {
		var items []driver.Item
		s.m.mu.Lock()
		if held := s.m.models[name]; held != nil {
			for version, dir := range held.trees {
				kind := driver.ItemBare
				if sealed(dir) {
					kind = driver.ItemTree
				}
				items = append(items, driver.Item{Kind: kind, Path: name.String() + "/versions/" + version, Version: version})
			}
			for _, dir := range held.orphans {
				items = append(items, driver.Item{Kind: driver.ItemOrphan, Path: name.String() + "/.orphans/" + filepath.Base(dir)})
			}
			if held.begun && len(held.log) == 0 {
				items = append(items, driver.Item{Kind: driver.ItemBegun, Path: name.String()})
			}
			for i := range held.kept {
				items = append(items, driver.Item{Kind: driver.ItemKept, Path: keptPath(name, i)})
			}
		}
		s.m.mu.Unlock()
		slices.SortFunc(items, func(a, b driver.Item) int { return strings.Compare(a.Path, b.Path) })
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
	}
}

func keptPath(name mr.ModelName, i int) string { return fmt.Sprintf("%s/.repairs/%d", name, i) }

// Replace puts a log and a document in place of the old ones. It does not keep
// the old ones, and only counts them.
func (s *memStore) Replace(ctx context.Context, useCase, model string, decide func(driver.View) (*driver.Replacement, error)) (kept []string, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	held, release, err := s.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()
	r, err := decide(s.view(name))
	if err != nil || r == nil {
		return nil, err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, data := range [][]byte{r.Log, r.Document} {
		if data != nil {
			kept = append(kept, keptPath(name, held.kept))
			held.kept++
		}
	}
	if r.Log != nil {
		held.log = slices.Clone(r.Log)
		held.rev.log++
	}
	if r.Document != nil {
		held.document, held.note = slices.Clone(r.Document), r.Note
		held.rev.document++
	}
	for _, version := range r.Aside {
		if dir, ok := held.trees[version]; ok {
			held.orphans = append(held.orphans, dir)
			delete(held.trees, version)
		}
	}
	return kept, nil
}
