package artifact

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

// A Listing describes the files of a version without a manifest. Two listings
// of a version are equal if no file changed in between.
type Listing struct {
	Files  int
	Newest time.Time // modification
	digest string    // of names, sizes and times
}

// Complete checks that each file of a version's manifest exists with its size.
// It reads no file but the manifest.
func (k *Manifests) Complete(dir, digest string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Bad(err)
	}
	defer root.Close()
	m, err := k.read(root, digest)
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		info, err := root.Lstat(f.Path)
		switch {
		case err != nil:
			return Bad(err)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%w: %s is %s", ErrBad, f.Path, fsroot.Describe(info.Mode()))
		case info.Size() != f.Size:
			return fmt.Errorf("%w: %s has %d bytes, not %d", ErrBad, f.Path, info.Size(), f.Size)
		}
	}
	return nil
}

// List lists the files below a folder without opening them.
func List(ctx context.Context, dir string) (l Listing, err error) {
	h := sha256.New()
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Bad(err)
		}
		info, err := d.Info()
		if err != nil {
			return Bad(err)
		}
		fmt.Fprintf(h, "%q %v %d %d\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			l.Files++
		}
		if info.ModTime().After(l.Newest) {
			l.Newest = info.ModTime()
		}
		return nil
	})
	l.digest = hex.EncodeToString(h.Sum(nil))
	return l, err
}
