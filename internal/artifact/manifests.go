package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// ErrManifest says that a manifest is not the one that was registered.
var ErrManifest = errors.New(ManifestFile + " was changed")

// ErrNoTree says that a version has no files at all.
var ErrNoTree = errors.New("its files are missing")

// NoTree returns an error for a version whose files can't be opened. It matches
// ErrBad, and ErrNoTree if err matches fs.ErrNotExist.
func NoTree(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNoTree, err)
	}
	return Bad(err)
}

// Manifests keeps the manifests that were read last, by their digests. Versions
// are promoted from stage to stage, and read again while they are watched. The
// zero value is ready to use. It is safe for concurrent use.
type Manifests struct {
	mu    sync.Mutex
	known map[string]*manifest
	files int // that all manifests list
}

// maxKnown bounds how many files the kept manifests list, the manifests
// included.
const maxKnown = 1 << 12

// Verify checks the files below a version's folder against its manifest, and
// the manifest against its digest. If the digest is empty, it checks nothing.
// Files that a system put there by itself are not a fault. Verify returns their
// paths.
func (k *Manifests) Verify(ctx context.Context, dir, digest string, progress *Meter) (bySystem []string, err error) {
	return k.verify(ctx, dir, digest, nil, progress)
}

// verify is Verify that hashes only as many files at once as hashing permits.
func (k *Manifests) verify(ctx context.Context, dir, digest string, hashing limit, progress *Meter) (bySystem []string, err error) {
	if digest == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Bad(err)
	}
	defer root.Close()
	m, err := k.read(root, digest)
	if err != nil {
		return nil, err
	}
	return m.check(ctx, root, hashing, progress)
}

// read reads the manifest that has a digest.
func (k *Manifests) read(root *os.Root, digest string) (*manifest, error) {
	raw, err := fsroot.ReadFile(root, ManifestFile, MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w: it is missing", ErrBad, ErrManifest)
	}
	if err != nil {
		return nil, Bad(err)
	}
	return k.parse(raw, digest)
}

// parse returns the manifest in raw, which must have the digest.
func (k *Manifests) parse(raw []byte, digest string) (*manifest, error) {
	if !hasDigest(raw, digest) {
		if hasDigest(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), digest) {
			return nil, fmt.Errorf("%w: %w: its line ends were, as git does with core.autocrlf", ErrBad, ErrManifest)
		}
		return nil, fmt.Errorf("%w: %w", ErrBad, ErrManifest)
	}
	k.mu.Lock()
	m := k.known[digest]
	k.mu.Unlock()
	if m != nil {
		return m, nil
	}
	m = &manifest{}
	if json.Unmarshal(raw, m) != nil {
		return nil, fmt.Errorf("%w: %w", ErrBad, ErrManifest)
	}
	m.at = make(map[string]int, len(m.Files))
	for i, f := range m.Files {
		m.at[f.Path] = i
	}
	k.keep(digest, m)
	return m, nil
}

func hasDigest(data []byte, digest string) bool {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == digest
}

func (k *Manifests) keep(digest string, m *manifest) {
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
