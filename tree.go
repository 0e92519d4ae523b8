package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/driver"
)

// verifyTree checks a version's files against its manifest, and the manifest
// against the digest in the history. If another program registered the version,
// there is no manifest. verifyTree then only checks that the artifact exists.
// It calls report, if that is not nil, with its progress.
func (r *ModelRegistry) verifyTree(ctx context.Context, v ModelVersion, report func(Progress)) error {
	progress := newMeter(report)
	if _, err := r.manifests.VerifyTree(ctx, r.store, driver.Name(v.Name), v.Version, v.ManifestSHA256, progress); err != nil {
		return err
	}
	progress.Done()
	return nil
}
