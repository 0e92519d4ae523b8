package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// verifyTree checks a version's files against its manifest, and the manifest
// against the digest in the history. If another program registered the version,
// there is no manifest. verifyTree then only checks that the artifact exists.
// It returns the files that the operating system added, which are no damage.
func (r *ModelRegistry) verifyTree(ctx context.Context, v ModelVersion, progress *artifact.Meter) (bySystem []string, err error) {
	return r.manifests.VerifyTree(ctx, r.store, driver.Name(v.Name), v.Version, v.ManifestSHA256, progress)
}

// verifyWithProgress is verifyTree that calls report, if it is not nil, with
// its progress.
func (r *ModelRegistry) verifyWithProgress(ctx context.Context, v ModelVersion, report func(Progress)) error {
	progress := newMeter(report)
	if _, err := r.verifyTree(ctx, v, progress); err != nil {
		return err
	}
	progress.Done()
	return nil
}
