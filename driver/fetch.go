package driver

import "context"

// A Fetcher is a [TreeReader] whose OpenTree downloads a version's files to
// this machine. The registry then checks versions without a download: Verify
// streams what is not here, so that it does not fill the disk, and Watch and
// Live see another version while one is downloaded. Without it, they call
// OpenTree for every version.
type Fetcher interface {
	TreeReader

	// CachedTree is OpenTree for a tree that is on this machine, and ReadTree
	// for any other: one of the two results is nil. It downloads no file but
	// the manifest.
	CachedTree(ctx context.Context, useCase, model, version string) (Tree, TreeFiles, error)

	// FetchTree is OpenTree that reports a download. It calls progress, one
	// call at a time, with how many bytes of the tree's files are here and how
	// many they are in all: first 0, and last all of them. It does so too while
	// another process downloads the files, whose bytes may count at the end
	// only. A download that begins again starts again at 0. For a tree that was
	// on this machine it calls nothing. It ends soon after the context.
	FetchTree(ctx context.Context, useCase, model, version string, progress func(done, total int64)) (Tree, error)
}
