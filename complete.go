package modelregistry

import (
	"context"
	"time"

	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// A treeListing describes the files of a version without a manifest, at one
// time.
type treeListing struct {
	version string
	artifact.Listing
}

// complete reports whether all files of a version are there. It does not read
// the files. If the version has no manifest, its files may still be changing:
// complete then reports false without an error, and the caller has to ask
// again.
func (w *watcher) complete(ctx context.Context, v ModelVersion) (bool, error) {
	a, err := w.r.openArtifact(ctx, v)
	if err != nil {
		return false, err
	}
	defer a.Close()
	if v.ManifestSHA256 != "" {
		return true, w.r.manifests.Complete(a.Path(), v.ManifestSHA256)
	}
	list, err := artifact.List(ctx, a.ModelDir)
	if err != nil {
		return false, err
	}
	before := w.files
	w.files = treeListing{v.Version, list}
	if list.Files == 0 {
		return false, artifact.ErrNoFile
	}
	return w.files == before || time.Since(list.Newest) > w.interval, nil
}
