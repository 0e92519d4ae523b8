package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/ubunye-go/modelregistry/internal/document"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Names inside a version's tree.
const (
	modelDir     = "model"
	manifestFile = "manifest.json"
	metadataFile = "metadata.json"
	metricsFile  = "metrics.json"
)

// An Artifact is where the files of a version come from. It holds regular files
// and folders, at least one file; the registry never looks inside them.
type Artifact struct {
	path string // where the files are, if they are on disk
	put  func(ctx context.Context, dir string) error
}

// check refuses an artifact that is plainly missing, before anything is made for
// it.
func (a Artifact) check() error {
	if a.put == nil {
		return fmt.Errorf("%w: none given", ErrArtifact)
	}
	if a.path == "" {
		return nil
	}
	if _, err := os.Stat(a.path); err != nil {
		return badArtifact(err)
	}
	return nil
}

// FromDir copies a directory.
func FromDir(dir string) Artifact {
	return Artifact{dir, func(ctx context.Context, to string) error {
		info, err := os.Stat(dir)
		if err != nil {
			return badArtifact(err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is not a directory", ErrArtifact, dir)
		}
		if err := outside(dir, to); err != nil {
			return err
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return badArtifact(err)
		}
		defer root.Close()
		return copyTree(ctx, root.FS(), to)
	}}
}

// FromFile copies one file, under its own name.
func FromFile(file string) Artifact {
	return Artifact{file, func(ctx context.Context, to string) error {
		info, err := os.Stat(file)
		if err != nil {
			return badArtifact(err)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%w: %s is %s, not a file", ErrArtifact, file, describe(info.Mode()))
		}
		in, err := os.Open(file)
		if err != nil {
			return badArtifact(err)
		}
		defer in.Close()
		return copyFile(ctx, in, filepath.Join(to, filepath.Base(file)), info.Mode())
	}}
}

// FromPath copies a directory as FromDir does, or a file as FromFile does.
func FromPath(name string) Artifact {
	return Artifact{name, func(ctx context.Context, to string) error {
		info, err := os.Stat(name)
		if err != nil {
			return badArtifact(err)
		}
		if info.IsDir() {
			return FromDir(name).put(ctx, to)
		}
		return FromFile(name).put(ctx, to)
	}}
}

// FromFS copies a file system: an embed.FS, an fstest.MapFS, an open archive.
func FromFS(fsys fs.FS) Artifact {
	if fsys == nil {
		return Artifact{}
	}
	return Artifact{put: func(ctx context.Context, to string) error { return copyTree(ctx, fsys, to) }}
}

// FromFunc lets the model save itself into an empty folder, which then becomes
// the version's without being copied. If save fails or panics, nothing is left
// of it.
func FromFunc(save func(dir string) error) Artifact {
	if save == nil {
		return Artifact{}
	}
	return Artifact{put: func(_ context.Context, to string) error { return save(to) }}
}

// MoveDir moves a directory into the store: by a rename, if it is on the store's
// file system, else by a copy, after which the original stays. It is gone even if
// the registration then fails.
func MoveDir(dir string) Artifact {
	return Artifact{dir, func(ctx context.Context, to string) error {
		info, err := os.Lstat(dir)
		if err != nil {
			return badArtifact(err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is %s, not a directory", ErrArtifact, dir, describe(info.Mode()))
		}
		if err := outside(dir, to); err != nil {
			return err
		}
		if err := notRegistered(dir); err != nil {
			return err
		}
		if err := checkTree(ctx, dir); err != nil {
			return err // before it is moved
		}
		if err := os.Remove(to); err != nil {
			return err
		}
		if os.Rename(dir, to) == nil {
			return nil
		}
		if err := os.Mkdir(to, 0o777); err != nil {
			return err
		}
		return FromDir(dir).put(ctx, to)
	}}
}

// outside refuses a directory that holds the store: it would be copied into
// itself.
func outside(dir, to string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return badArtifact(err)
	}
	for at := filepath.Clean(to); ; at = filepath.Dir(at) {
		if above, err := os.Stat(at); err == nil && os.SameFile(info, above) {
			return fmt.Errorf("%w: %s holds the store itself", ErrArtifact, dir)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

var errNoFile = fmt.Errorf("%w: it holds no file", ErrArtifact)

func badArtifact(err error) error { return fmt.Errorf("%w: %w", ErrArtifact, err) }

func describe(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	}
	return "no regular file"
}

// checkEntry refuses what is neither a file nor a folder.
func checkEntry(name string, d fs.DirEntry) error {
	if t := d.Type(); !t.IsRegular() && !t.IsDir() {
		return fmt.Errorf("%w: %s is %s", ErrArtifact, name, describe(t))
	}
	return nil
}

// notRegistered refuses to move a version's own files away.
func notRegistered(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for at := abs; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, manifestFile)); err == nil && filepath.Base(filepath.Dir(at)) == "versions" {
			return fmt.Errorf("%w: %s belongs to a version that is registered", ErrArtifact, dir)
		}
	}
	return nil
}

func checkTree(ctx context.Context, dir string) error {
	files := 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return badArtifact(err)
		}
		if !d.IsDir() {
			files++
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err == nil && files == 0 {
		return errNoFile
	}
	return err
}

func copyTree(ctx context.Context, fsys fs.FS, to string) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return badArtifact(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) { // what a file system of the caller's calls its files
			return fmt.Errorf("%w: %q leaves the artifact", ErrArtifact, name)
		}
		target := filepath.Join(to, filepath.FromSlash(name))
		if d.IsDir() {
			if name == "." {
				return nil
			}
			return os.Mkdir(target, 0o777)
		}
		in, err := fsys.Open(name)
		if err != nil {
			return badArtifact(err)
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return badArtifact(err)
		}
		if !info.Mode().IsRegular() { // swapped since it was listed
			return fmt.Errorf("%w: %s is %s", ErrArtifact, name, describe(info.Mode()))
		}
		return copyFile(ctx, in, target, info.Mode())
	})
}

// copyChunk is how much is copied between two looks at the context.
const copyChunk = 64 << 20

func copyFile(ctx context.Context, in io.Reader, target string, mode fs.FileMode) (err error) {
	if mode.Perm() == 0 { // an fstest.MapFile has none
		mode = 0o666
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm()|0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		// From file to file the kernel does it, and may share the blocks.
		n, err := io.CopyN(out, in, copyChunk)
		if n < copyChunk && (err == nil || err == io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A manifest lists every file of a version's tree but itself.
type manifest struct {
	Files []manifestEntry `json:"files"`
}

type manifestEntry struct {
	Path   string `json:"path"` // slash-separated, below the version's folder
	Size   int64  `json:"size"` // bytes
	Mode   string `json:"mode"` // permission bits, octal
	SHA256 string `json:"sha256"`
}

// fillTree writes a version's whole tree into dir and returns its manifest's
// digest.
func fillTree(ctx context.Context, dir string, a Artifact, metadata, metrics []byte) (digest string, err error) {
	model := filepath.Join(dir, modelDir)
	if err := os.Mkdir(model, 0o777); err != nil {
		return "", err
	}
	if err := a.put(ctx, model); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for name, raw := range map[string][]byte{metadataFile: metadata, metricsFile: metrics} {
		if err := root.WriteFile(name, pyjson.Indent(nil, raw, ""), 0o666); err != nil {
			return "", err
		}
	}
	m, err := digestTree(ctx, root, true)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(m.Files, func(f manifestEntry) bool { return strings.HasPrefix(f.Path, modelDir+"/") }) {
		return "", errNoFile
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	if err := root.WriteFile(manifestFile, raw, 0o444); err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// digestTree lists and hashes the files of a tree, several at once. With freeze
// it first takes their write bits, so that nobody changes a version by accident.
func digestTree(ctx context.Context, root *os.Root, freeze bool) (*manifest, error) {
	m := &manifest{Files: []manifestEntry{}}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return badArtifact(err)
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		if d.IsDir() || name == manifestFile {
			return ctx.Err()
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		if freeze {
			mode = mode&^0o222 | 0o400
			if err := root.Chmod(name, mode); err != nil {
				return err
			}
		}
		m.Files = append(m.Files, manifestEntry{Path: name, Size: info.Size(), Mode: fmt.Sprintf("%04o", mode)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(m.Files, func(a, b manifestEntry) int { return strings.Compare(a.Path, b.Path) })
	return m, hashFiles(ctx, root, m.Files)
}

func hashFiles(ctx context.Context, root *os.Root, files []manifestEntry) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *manifestEntry)
	var wg sync.WaitGroup
	for range min(len(files), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for f := range next {
				if err := hashFile(ctx, root, f); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range files {
		next <- &files[i]
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func hashFile(ctx context.Context, root *os.Root, f *manifestEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := root.Open(f.Path)
	if err != nil {
		return badArtifact(err)
	}
	defer in.Close()
	h := sha256.New()
	f.Size = 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(h, in, copyChunk)
		f.Size += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return badArtifact(err)
		}
	}
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

type artifactTree struct {
	Tree
	modelDir string
}

// openArtifact opens a version's tree and sees that the artifact is there.
func (r *ModelRegistry) openArtifact(ctx context.Context, v ModelVersion) (*artifactTree, error) {
	tree, err := r.store.OpenTree(ctx, v.ModelName, v.Version)
	if err != nil {
		return nil, badArtifact(err)
	}
	a := &artifactTree{Tree: tree, modelDir: filepath.Join(tree.Path(), modelDir)}
	if info, err := os.Lstat(a.modelDir); err != nil {
		tree.Close()
		return nil, badArtifact(err)
	} else if !info.IsDir() {
		tree.Close()
		return nil, fmt.Errorf("%w: %s is %s", ErrArtifact, modelDir, describe(info.Mode()))
	}
	return a, nil
}

// verifyTree checks a version's files against its manifest, and the manifest
// against the digest that the history has. Of a version that another program
// registered, without a manifest, it checks that the artifact is there.
func (r *ModelRegistry) verifyTree(ctx context.Context, v ModelVersion) error {
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
	raw, err := root.ReadFile(manifestFile)
	if err != nil {
		return badArtifact(err)
	}
	var want manifest
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != v.ManifestSHA256 || json.Unmarshal(raw, &want) != nil {
		return fmt.Errorf("%w: %s was changed", ErrArtifact, manifestFile)
	}
	have, err := digestTree(ctx, root, false)
	if err != nil {
		return err
	}
	return sameFiles(have.Files, want.Files)
}

// sameFiles names the first file that is missing, changed or added. Modes may
// differ: a copied store has other ones.
func sameFiles(have, want []manifestEntry) error {
	found := make(map[string]manifestEntry, len(have))
	for _, f := range have {
		found[f.Path] = f
	}
	for _, w := range want {
		h, ok := found[w.Path]
		switch {
		case !ok:
			return fmt.Errorf("%w: %s is missing", ErrArtifact, w.Path)
		case h.SHA256 != w.SHA256:
			return fmt.Errorf("%w: %s was changed: sha256 %s, not %s", ErrArtifact, w.Path, h.SHA256, w.SHA256)
		}
		delete(found, w.Path)
	}
	for _, h := range have {
		if _, extra := found[h.Path]; extra {
			return fmt.Errorf("%w: %s was added", ErrArtifact, path.Clean(h.Path))
		}
	}
	return nil
}

// layValues lays metrics or metadata out as the index holds them.
func layValues(raw []byte) []byte { return document.Lay(raw) }
