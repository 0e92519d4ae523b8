package modelregistry

import (
	"context"

	"github.com/ubunye-go/modelregistry/internal/fsstore"
)

// OpenOn is Open with the store's I/O going through what wrap makes of its disk.
func OpenOn(dir string, opts *Options, wrap func(fsstore.Disk) fsstore.Disk) (*ModelRegistry, error) {
	s, err := fsstore.Open(dir)
	if err != nil {
		return nil, err
	}
	s.Wrap(wrap)
	return New(&folderStore{s}, opts), nil
}

// VerifyTree checks a version's files against its manifest.
func (r *ModelRegistry) VerifyTree(ctx context.Context, v ModelVersion) error {
	return r.verifyTree(ctx, v)
}
