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
	"runtime"
	"strings"

	"github.com/ubunye-go/modelregistry/driver"
)

// streams is how many files are read from a store at the same time.
const streams = 8

// A Verifier checks versions of a store, several at the same time, and keeps no
// file on this machine. Together they hash as many files at once as there are
// cores, and read at most 8 as streams. It is safe for concurrent use.
type Verifier struct {
	store     driver.Store
	manifests *Manifests
	hashing   limit // for files on this machine
	streaming limit // for files that are read as streams
}

// NewVerifier returns a Verifier that keeps the manifests that it reads in
// manifests.
func NewVerifier(store driver.Store, manifests *Manifests) *Verifier {
	return &Verifier{store, manifests, make(limit, runtime.GOMAXPROCS(0)), make(limit, streams)}
}

// Verify is Manifests.VerifyTree, except that it reads the files as streams if
// the store would have to download them.
func (v *Verifier) Verify(ctx context.Context, model driver.Name, version, digest string, progress *Meter) (bySystem []string, err error) {
	f, ok := v.store.(driver.Fetcher)
	if !ok {
		tree, err := v.store.OpenTree(ctx, model.UseCase, model.Model, version)
		if err != nil {
			return nil, openError(err)
		}
		return v.manifests.verifyOpened(ctx, tree, digest, v.hashing, progress)
	}
	tree, files, err := f.CachedTree(ctx, model.UseCase, model.Model, version)
	if err != nil {
		return nil, openError(err)
	}
	if tree != nil {
		return v.manifests.verifyOpened(ctx, tree, digest, v.hashing, progress)
	}
	defer files.Close()
	return nil, v.verifyFiles(ctx, files, digest, progress)
}

// verifyFiles checks the files of a tree that is read as streams.
func (v *Verifier) verifyFiles(ctx context.Context, tree driver.TreeFiles, digest string, progress *Meter) error {
	there, err := sizes(ctx, tree)
	if err != nil || digest == "" {
		return err
	}
	m, err := v.manifests.readStream(ctx, tree, digest)
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
	return m.checkStreams(ctx, tree, v.streaming, progress)
}

// sizes returns the sizes of the files of a tree, by their paths, and sees that
// the artifact is there.
func sizes(ctx context.Context, tree driver.TreeFiles) (map[string]int64, error) {
	there, artifact := map[string]int64{}, false
	for f, err := range tree.Files(ctx) {
		if err != nil {
			return nil, openError(err)
		}
		there[f.Path] = f.Size
		artifact = artifact || strings.HasPrefix(f.Path, ModelDir+"/")
	}
	if !artifact {
		return nil, NoTree(fs.ErrNotExist)
	}
	return there, nil
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
func (m *manifest) checkStreams(ctx context.Context, tree driver.TreeFiles, streaming limit, progress *Meter) error {
	faults := make([]error, len(m.Files))
	err := InParallel(ctx, min(streams, len(m.Files)), len(m.Files), func(ctx context.Context, i int) error {
		if err := streaming.enter(ctx); err != nil {
			return err
		}
		defer streaming.leave()
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
