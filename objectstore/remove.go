package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// RemoveTrees removes trees from their places and from the folders of their
// uploads. Copies in the caches of machines stay until they are evicted. Other
// writers are not held back meanwhile.
func (s *Store) RemoveTrees(ctx context.Context, useCase, model string, decide func(driver.View) ([]string, error)) (removed []string, err error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	v := s.view(ctx, name)
	if err := s.checkBucketBy(v.list); err != nil {
		return nil, err
	}
	versions, err := decide(v)
	if err != nil {
		return nil, err
	}
	for _, version := range versions {
		if err := driver.CheckVersion(version); err != nil {
			return removed, err
		}
		there, err := s.removeTree(ctx, name, version)
		if err != nil {
			return removed, fmt.Errorf("removing the files of %s: %w", name.At(version), err)
		}
		s.know(name, func(k *known) {
			info := k.trees[version]
			info.key = "" // otherwise OpenTree would use the local copy
			k.trees[version] = info
		})
		if there {
			removed = append(removed, version)
		}
	}
	return removed, nil
}

// removeTree reports false if there was nothing of the tree. It removes the
// upload first: while a manifest is in the version's place, readers read the
// tree from there.
func (s *Store) removeTree(ctx context.Context, name mr.ModelName, version string) (there bool, err error) {
	info, err := s.named(ctx, name, version)
	if err != nil {
		return false, err
	}
	dirs := []string{modelKey(name, versionsDir+version+"/")}
	if info.Staging != "" {
		dirs = append([]string{modelKey(name, stagingDir+info.Staging+"/")}, dirs...)
	}
	for _, dir := range dirs {
		objects, err := s.list(ctx, dir, true, 0)
		if err != nil {
			return there, err
		}
		there = there || len(objects) > 0
		if err := s.removeObjects(ctx, objects, dir+manifestName); err != nil {
			return there, err
		}
	}
	return there, nil
}

// removeObjects removes objects, the manifest last. A tree with a manifest and
// without some files can't be opened. A tree without a manifest could be taken
// for another program's.
func (s *Store) removeObjects(ctx context.Context, objects []object, manifest string) error {
	last := slices.IndexFunc(objects, func(o object) bool { return o.key == manifest })
	err := s.each(ctx, len(objects), func(ctx context.Context, i int) error {
		if i == last {
			return nil
		}
		return s.remove(ctx, objects[i].key)
	})
	if err == nil && last >= 0 {
		err = s.remove(ctx, manifest)
	}
	if errors.Is(err, fs.ErrNotExist) { // another process removes them at the same time
		return nil
	}
	return err
}
