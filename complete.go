package modelregistry

import (
	"context"
	"time"

	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// A treeLook describes the files of a version without a manifest at one time.
type treeLook struct {
	version string
	artifact.Listing
}

// complete reports whether a version's files are all there, without reading
// them. It reports false without an error if only a later look can say.
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
	w.files = treeLook{v.Version, list}
	if list.Files == 0 {
		return false, artifact.ErrNoFile
	}
	return w.files == before || time.Since(list.Newest) > w.interval, nil
}
