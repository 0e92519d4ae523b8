package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// errManifest says that a manifest is not the one that was registered.
var errManifest = errors.New(manifestFile + " was changed")

// errNoTree says that a version has no files at all.
var errNoTree = errors.New("its files are gone")

func noTree(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errNoTree, err)
	}
	return badArtifact(err)
}

type artifactTree struct {
	Tree
	modelDir string
}

// openArtifact opens a version's tree and sees that the artifact is there.
func (r *ModelRegistry) openArtifact(ctx context.Context, v ModelVersion) (a artifactTree, err error) {
	tree, err := r.store.OpenTree(ctx, v.ModelName, v.Version)
	if err != nil {
		return a, noTree(err)
	}
	if f, ok := tree.(*folderTree); ok && f.Artifact != "" {
		return artifactTree{tree, f.Artifact}, nil // it was looked at just now
	}
	a = artifactTree{Tree: tree, modelDir: filepath.Join(tree.Path(), modelDir)}
	if info, err := os.Lstat(a.modelDir); err != nil {
		tree.Close()
		return a, noTree(err)
	} else if !info.IsDir() {
		tree.Close()
		return a, fmt.Errorf("%w: %s is %s", ErrArtifact, modelDir, fsroot.Describe(info.Mode()))
	}
	return a, nil
}

// verifyTree checks a version's files against its manifest, and the manifest
// against the digest that the history has. Of a version that another program
// registered, without a manifest, it checks that the artifact is there.
func (r *ModelRegistry) verifyTree(ctx context.Context, v ModelVersion, progress *meter) error {
	a, err := r.openArtifact(ctx, v)
	if err != nil {
		return err
	}
	defer a.Close()
	if v.ManifestSHA256 == "" {
		return nil
	}
	root, err := os.OpenRoot(a.Path())
	if err != nil {
		return badArtifact(err)
	}
	defer root.Close()
	m, err := r.manifests.read(root, v.ManifestSHA256)
	if err != nil {
		return err
	}
	return m.check(ctx, root, progress)
}

// verifyTelling is verifyTree that tells how far it is.
func (r *ModelRegistry) verifyTelling(ctx context.Context, v ModelVersion, tell func(Progress)) error {
	progress := newMeter(tell)
	if err := r.verifyTree(ctx, v, progress); err != nil {
		return err
	}
	progress.done()
	return nil
}

// manifests are what was made of the manifests read last, by their digests: versions are promoted from stage to stage, and
// looked at while they are followed.
type manifests struct {
	mu    sync.Mutex
	known map[string]*manifest
	files int // of all
}

// maxKnown bounds how many files the known manifests list, themselves among them.
const maxKnown = 1 << 12

// read reads the manifest that has a digest.
func (k *manifests) read(root *os.Root, digest string) (*manifest, error) {
	raw, err := fsroot.ReadFile(root, manifestFile, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w: it is gone", ErrArtifact, errManifest)
	}
	if err != nil {
		return nil, badArtifact(err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%w: %w", ErrArtifact, errManifest)
	}
	k.mu.Lock()
	m := k.known[digest]
	k.mu.Unlock()
	if m != nil {
		return m, nil
	}
	m = &manifest{}
	if json.Unmarshal(raw, m) != nil {
		return nil, fmt.Errorf("%w: %w", ErrArtifact, errManifest)
	}
	m.at = make(map[string]int, len(m.Files))
	for i, f := range m.Files {
		m.at[f.Path] = i
	}
	k.keep(digest, m)
	return m, nil
}

func (k *manifests) keep(digest string, m *manifest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(m.Files) + 1
	if n > maxKnown || k.known[digest] != nil {
		return
	}
	if k.known == nil || k.files+n > maxKnown {
		k.known, k.files = map[string]*manifest{}, 0
	}
	k.known[digest] = m
	k.files += n
}
