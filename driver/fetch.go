package driver

import "context"

// A Fetcher is a [TreeReader] whose OpenTree downloads a version's files to
// this machine. Verify then streams what is not here, so that it does not fill
// the disk. Without it, Verify calls OpenTree for every version.
type Fetcher interface {
	TreeReader

	// CachedTree is OpenTree for a tree that is on this machine, and ReadTree
	// for any other: one of the two results is nil. It downloads no file but
	// the manifest.
	CachedTree(ctx context.Context, useCase, model, version string) (Tree, TreeFiles, error)
}
