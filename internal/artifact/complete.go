package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A Completeness checks at each poll of a watch whether all files of a version
// are there.
type Completeness struct {
	Manifests *Manifests
	Store     driver.Store
	Model     driver.Name
	// Settle is how long the files of a version without a manifest must not
	// change. It is the time between two checks.
	Settle time.Duration

	listed string // the version that the last check listed
	before Listing
}

// A Listing describes the files of a version without a manifest. Two listings
// of a version are equal if no file changed in between.
type Listing struct {
	Files  int
	Newest time.Time // modification
	digest string    // of names, sizes and times
}

// Check reports whether all files of a version are there. It neither reads nor
// downloads the files. If the version has no manifest, its files may still be
// changing: Check then reports false without an error, and the caller has to
// ask again.
func (c *Completeness) Check(ctx context.Context, version, digest string) (bool, error) {
	tree, files, err := c.open(ctx, version)
	if err != nil {
		return false, openError(err)
	}
	if files != nil {
		defer files.Close()
		return c.checkFiles(ctx, files, version, digest)
	}
	t, err := withArtifact(tree)
	if err != nil {
		return false, err
	}
	defer t.Close()
	return c.checkFolder(ctx, t, version, digest)
}

// open returns a version's files as a folder, or as streams if the store would
// have to download them.
func (c *Completeness) open(ctx context.Context, version string) (driver.Tree, driver.TreeFiles, error) {
	if f, ok := c.Store.(driver.Fetcher); ok {
		return f.CachedTree(ctx, c.Model.UseCase, c.Model.Model, version)
	}
	tree, err := c.Store.OpenTree(ctx, c.Model.UseCase, c.Model.Model, version)
	return tree, nil, err
}

func (c *Completeness) checkFolder(ctx context.Context, t Tree, version, digest string) (bool, error) {
	if digest != "" {
		return true, c.Manifests.complete(t.Path(), digest)
	}
	list, err := List(ctx, t.ModelDir)
	if err != nil {
		return false, err
	}
	same, err := c.settled(version, list)
	return same || time.Since(list.Newest) > c.Settle, err
}

func (c *Completeness) checkFiles(ctx context.Context, files driver.TreeFiles, version, digest string) (bool, error) {
	there, err := sizes(ctx, files)
	if err != nil {
		return false, err
	}
	if digest != "" {
		return true, c.Manifests.completeFiles(ctx, files, there, digest)
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(there)) {
		fmt.Fprintf(h, "%q %d\n", name, there[name])
	}
	return c.settled(version, Listing{Files: len(there), digest: hex.EncodeToString(h.Sum(nil))})
}

// settled reports whether the files of a version are as at the last check.
func (c *Completeness) settled(version string, list Listing) (bool, error) {
	same := c.listed == version && c.before == list
	c.listed, c.before = version, list
	if list.Files == 0 {
		return false, ErrNoFile
	}
	return same, nil
}

// completeFiles checks that each file of a version's manifest is among the
// files of its tree, with its size.
func (k *Manifests) completeFiles(ctx context.Context, files driver.TreeFiles, there map[string]int64, digest string) error {
	m, err := k.readStream(ctx, files, digest)
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		switch size, ok := there[f.Path]; {
		case !ok:
			return fmt.Errorf("%w: %s is missing", ErrBad, f.Path)
		case size != f.Size:
			return wrongSize(f, size)
		}
	}
	return nil
}

func wrongSize(f manifestEntry, size int64) error {
	return fmt.Errorf("%w: %s has %d bytes, not %d", ErrBad, f.Path, size, f.Size)
}

// complete checks that each file of a version's manifest exists with its size.
// It reads no file but the manifest.
func (k *Manifests) complete(dir, digest string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Bad(err)
	}
	defer root.Close()
	m, err := k.read(root, digest)
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		info, err := root.Lstat(f.Path)
		switch {
		case err != nil:
			return Bad(err)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%w: %s is %s", ErrBad, f.Path, fsroot.Describe(info.Mode()))
		case info.Size() != f.Size:
			return wrongSize(f, info.Size())
		}
	}
	return nil
}

// List lists the files below a folder without opening them.
func List(ctx context.Context, dir string) (l Listing, err error) {
	h := sha256.New()
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Bad(err)
		}
		info, err := d.Info()
		if err != nil {
			return Bad(err)
		}
		fmt.Fprintf(h, "%q %v %d %d\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			l.Files++
		}
		if info.ModTime().After(l.Newest) {
			l.Newest = info.ModTime()
		}
		return nil
	})
	l.digest = hex.EncodeToString(h.Sum(nil))
	return l, err
}
