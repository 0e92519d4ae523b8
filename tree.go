package modelregistry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

type artifactTree struct {
	driver.Tree
	modelDir string
}

// openArtifact opens a version's tree and sees that the artifact is there.
func (r *ModelRegistry) openArtifact(ctx context.Context, v ModelVersion) (a artifactTree, err error) {
	tree, err := r.store.OpenTree(ctx, v.Name.UseCase, v.Name.Model, v.Version)
	if err != nil {
		return a, artifact.NoTree(err)
	}
	if t, ok := tree.(driver.ArtifactTree); ok && t.Artifact() != "" {
		return artifactTree{tree, t.Artifact()}, nil
	}
	a = artifactTree{Tree: tree, modelDir: filepath.Join(tree.Path(), artifact.ModelDir)}
	if info, err := os.Lstat(a.modelDir); err != nil {
		tree.Close()
		return a, artifact.NoTree(err)
	} else if !info.IsDir() {
		tree.Close()
		return a, fmt.Errorf("%w: %s is %s", ErrArtifact, artifact.ModelDir, fsroot.Describe(info.Mode()))
	}
	return a, nil
}

// verifyTree checks a version's files against its manifest, and the manifest
// against the digest that the history has. Of a version that another program
// registered, without a manifest, it checks that the artifact is there.
func (r *ModelRegistry) verifyTree(ctx context.Context, v ModelVersion, progress *artifact.Meter) error {
	a, err := r.openArtifact(ctx, v)
	if err != nil {
		return err
	}
	defer a.Close()
	return r.manifests.Verify(ctx, a.Path(), v.ManifestSHA256, progress)
}

// verifyTelling is verifyTree that reports its progress.
func (r *ModelRegistry) verifyTelling(ctx context.Context, v ModelVersion, tell func(Progress)) error {
	progress := newMeter(tell)
	if err := r.verifyTree(ctx, v, progress); err != nil {
		return err
	}
	progress.Done()
	return nil
}
