package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
)

// streams is how many files are read from a store at the same time.
const streams = 8

// VerifyStored is VerifyTree that keeps no file on this machine. If the store
// would have to download the files, they are read as streams.
func (k *Manifests) VerifyStored(ctx context.Context, store driver.Store, model driver.Name, version, digest string, progress *Meter) (bySystem []string, err error) {
	f, ok := store.(driver.Fetcher)
	if !ok {
		return k.VerifyTree(ctx, store, model, version, digest, progress)
	}
	tree, files, err := f.CachedTree(ctx, model.UseCase, model.Model, version)
	if err != nil {
		return nil, openError(err)
	}
	if tree != nil {
		return k.verifyOpened(ctx, tree, digest, progress)
	}
	defer files.Close()
	return nil, k.verifyFiles(ctx, files, digest, progress)
}

// verifyFiles checks the files of a tree that is read as streams.
func (k *Manifests) verifyFiles(ctx context.Context, tree driver.TreeFiles, digest string, progress *Meter) error {
	there, artifact := map[string]bool{}, false
	for f, err := range tree.Files(ctx) {
		if err != nil {
			return openError(err)
		}
		there[f.Path] = true
		artifact = artifact || strings.HasPrefix(f.Path, ModelDir+"/")
	}
	if !artifact {
		return NoTree(fs.ErrNotExist)
	}
	if digest == "" {
		return nil
	}
	m, err := k.readStream(ctx, tree, digest)
	if err != nil {
		return err
	}
	var total int64
	for i, f := range m.Files {
		if m.at[f.Path] != i {
			return fmt.Errorf("%w: %s lists %s twice", ErrBad, ManifestFile, f.Path)
		}
		total += f.Size
	}
	progress.add(0, 0, total)
	for name := range there {
		if _, listed := m.at[name]; !listed && name != ManifestFile {
			return fmt.Errorf("%w: %s was added", ErrBad, name)
		}
	}
	return m.checkStreams(ctx, tree, progress)
}

// readStream reads the manifest that has a digest.
func (k *Manifests) readStream(ctx context.Context, tree driver.TreeFiles, digest string) (*manifest, error) {
	r, err := tree.Open(ctx, ManifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w: it is missing", ErrBad, ErrManifest)
	}
	if err != nil {
		return nil, openError(err)
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return nil, err
	}
	return k.parse(raw, digest)
}

// checkStreams returns an error that names the files that are missing or
// changed. An error of the store ends the check.
func (m *manifest) checkStreams(ctx context.Context, tree driver.TreeFiles, progress *Meter) error {
	faults := make([]error, len(m.Files))
	err := inParallel(ctx, min(streams, len(m.Files)), len(m.Files), func(ctx context.Context, i int) error {
		err := m.Files[i].checkStream(ctx, tree, progress)
		if errors.Is(err, ErrBad) {
			faults[i], err = err, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(faults...)
}

func (f manifestEntry) checkStream(ctx context.Context, tree driver.TreeFiles, progress *Meter) error {
	r, err := tree.Open(ctx, f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s is missing", ErrBad, f.Path)
	case err != nil:
		return openError(err)
	}
	defer r.Close()
	h := hashers.Get().(hash.Hash)
	defer hashers.Put(h)
	h.Reset()
	if _, err := hashStream(ctx, h, r, f.Size, progress); err != nil {
		return err
	}
	var sum [sha256.Size]byte
	if got := hex.EncodeToString(h.Sum(sum[:0])); got != f.SHA256 {
		return fmt.Errorf("%w: %s was changed: sha256 %s, not %s", ErrBad, f.Path, got, f.SHA256)
	}
	return nil
}
