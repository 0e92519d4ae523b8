package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A Tree is an open version, with its artifact.
type Tree struct {
	driver.Tree
	ModelDir string // the folder of the artifact
}

// OpenTree opens a version's tree and sees that the artifact is there. If it is
// not, the error matches ErrBad. Any other error is that of the store: an
// outage, a full disk or a missing right does not mean that the artifact is
// bad. progress, if it is not nil, is called as by a driver.Fetcher.
func OpenTree(ctx context.Context, store driver.Store, model driver.Name, version string, progress func(done, total int64)) (t Tree, err error) {
	var tree driver.Tree
	if f, ok := store.(driver.Fetcher); ok && progress != nil {
		tree, err = f.FetchTree(ctx, model.UseCase, model.Model, version, progress)
	} else {
		tree, err = store.OpenTree(ctx, model.UseCase, model.Model, version)
	}
	if err != nil {
		return t, openError(err)
	}
	return withArtifact(tree)
}

// withArtifact finds the artifact of a tree, and closes the tree if there is
// none.
func withArtifact(tree driver.Tree) (t Tree, err error) {
	if a, ok := tree.(driver.ArtifactTree); ok && a.Artifact() != "" {
		return Tree{tree, a.Artifact()}, nil
	}
	t = Tree{Tree: tree, ModelDir: filepath.Join(tree.Path(), ModelDir)}
	if info, err := os.Lstat(t.ModelDir); err != nil {
		tree.Close()
		return t, NoTree(err)
	} else if !info.IsDir() {
		tree.Close()
		return t, fmt.Errorf("%w: %s is %s", ErrBad, ModelDir, fsroot.Describe(info.Mode()))
	}
	return t, nil
}

// openError returns the error of a tree that a store could not open. The
// contract of driver.Store says which errors mean that there is none.
func openError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return NoTree(err)
	case errors.Is(err, fs.ErrInvalid):
		return Bad(err)
	}
	return err
}

// VerifyTree checks a version's files against its manifest, and the manifest
// against its digest, as Verify does. Without a digest it checks that the
// artifact is there.
func (k *Manifests) VerifyTree(ctx context.Context, store driver.Store, model driver.Name, version, digest string, progress *Meter) (bySystem []string, err error) {
	tree, err := store.OpenTree(ctx, model.UseCase, model.Model, version)
	if err != nil {
		return nil, openError(err)
	}
	return k.verifyOpened(ctx, tree, digest, nil, progress)
}

// verifyOpened is VerifyTree for a tree that was opened. It closes the tree.
func (k *Manifests) verifyOpened(ctx context.Context, tree driver.Tree, digest string, hashing limit, progress *Meter) (bySystem []string, err error) {
	t, err := withArtifact(tree)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return k.verify(ctx, t.Path(), digest, hashing, progress)
}
