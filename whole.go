package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// A treeLook is what the files of a version without a manifest looked like.
type treeLook struct {
	version string
	files   int
	digest  string    // of names, sizes and times
	newest  time.Time // modification
}

// whole reports whether a version's files are all there, without reading them. It
// reports false without an error if it takes another look to tell.
func (w *watcher) whole(ctx context.Context, v ModelVersion) (bool, error) {
	a, err := w.r.openArtifact(ctx, v)
	if err != nil {
		return false, err
	}
	defer a.Close()
	if v.ManifestSHA256 != "" {
		return true, w.r.listedFiles(a.Path(), v.ManifestSHA256)
	}
	look, err := lookAt(ctx, a.modelDir)
	if err != nil {
		return false, err
	}
	look.version = v.Version
	before := w.files
	w.files = look
	if look.files == 0 {
		return false, errNoFile
	}
	return look == before || time.Since(look.newest) > w.interval, nil
}

// listedFiles sees that each file of a manifest is there with its size.
func (r *ModelRegistry) listedFiles(dir, digest string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return badArtifact(err)
	}
	defer root.Close()
	m, err := r.manifests.read(root, digest)
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		info, err := root.Lstat(f.Path)
		switch {
		case err != nil:
			return badArtifact(err)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%w: %s is %s", ErrArtifact, f.Path, fsroot.Describe(info.Mode()))
		case info.Size() != f.Size:
			return fmt.Errorf("%w: %s has %d bytes, not %d", ErrArtifact, f.Path, info.Size(), f.Size)
		}
	}
	return nil
}

func lookAt(ctx context.Context, dir string) (look treeLook, err error) {
	h := sha256.New()
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return badArtifact(err)
		}
		info, err := d.Info()
		if err != nil {
			return badArtifact(err)
		}
		fmt.Fprintf(h, "%q %v %d %d\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			look.files++
		}
		if info.ModTime().After(look.newest) {
			look.newest = info.ModTime()
		}
		return nil
	})
	look.digest = hex.EncodeToString(h.Sum(nil))
	return look, err
}
