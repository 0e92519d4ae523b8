package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// openArtifact opens a version's tree and sees that the artifact is there.
func (r *ModelRegistry) openArtifact(ctx context.Context, v ModelVersion) (artifact.Tree, error) {
	return artifact.OpenTree(ctx, r.store, driver.Name(v.Name), v.Version)
}

// verifyTree checks a version's files against its manifest, and the manifest
// against the digest that the history has. Of a version that another program
// registered, without a manifest, it checks that the artifact is there. It
// returns the files that a system added by itself, which are no fault.
func (r *ModelRegistry) verifyTree(ctx context.Context, v ModelVersion, progress *artifact.Meter) (bySystem []string, err error) {
	return r.manifests.VerifyTree(ctx, r.store, driver.Name(v.Name), v.Version, v.ManifestSHA256, progress)
}

// verifyTelling is verifyTree that reports its progress.
func (r *ModelRegistry) verifyTelling(ctx context.Context, v ModelVersion, tell func(Progress)) error {
	progress := newMeter(tell)
	if _, err := r.verifyTree(ctx, v, progress); err != nil {
		return err
	}
	progress.Done()
	return nil
}
