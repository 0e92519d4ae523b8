package artifact

import (
	"context"
	"fmt"
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
// not, the error matches ErrBad.
func OpenTree(ctx context.Context, store driver.Store, model driver.Name, version string) (t Tree, err error) {
	tree, err := store.OpenTree(ctx, model.UseCase, model.Model, version)
	if err != nil {
		return t, NoTree(err)
	}
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

// VerifyTree checks a version's files against its manifest, and the manifest
// against its digest, as Verify does. Without a digest it checks that the
// artifact is there.
func (k *Manifests) VerifyTree(ctx context.Context, store driver.Store, model driver.Name, version, digest string, progress *Meter) (bySystem []string, err error) {
	t, err := OpenTree(ctx, store, model, version)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return k.Verify(ctx, t.Path(), digest, progress)
}
