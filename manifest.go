package modelregistry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// A manifest lists every file of a version's tree but itself.
type manifest struct {
	Files []manifestEntry `json:"files"`

	at map[string]int // where a path stands in Files, last
}

// maxManifest bounds a manifest, in bytes: some million files.
const maxManifest = 256 << 20

type manifestEntry struct {
	Path   string `json:"path"` // slash-separated, below the version's folder
	Size   int64  `json:"size"` // bytes
	Mode   string `json:"mode"` // permission bits, octal
	SHA256 string `json:"sha256"`
}

// fillTree writes a version's whole tree into the staging folder and returns its
// manifest's digest.
func (in *intake) fillTree(a Artifact, metadata, metrics []byte) (digest string, err error) {
	model := filepath.Join(in.dir, modelDir)
	if err := os.Mkdir(model, 0o777); err != nil {
		return "", err
	}
	if err := in.fill(model, a); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(in.dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for name, raw := range map[string][]byte{metadataFile: metadata, metricsFile: metrics} {
		raw = pyjson.Indent(nil, raw, "")
		if err := root.WriteFile(name, raw, 0o444); err != nil {
			return "", err
		}
		in.meter.add(0, int64(len(raw)), int64(len(raw)))
		in.note(filepath.Join(in.dir, name), sumOf(raw))
	}
	m, err := in.digestTree(root)
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
	if len(raw) > maxManifest {
		return "", fmt.Errorf("%w: %d files need a manifest of %d bytes, more than %d", ErrArtifact, len(m.Files), len(raw), maxManifest)
	}
	if err := root.WriteFile(manifestFile, raw, 0o444); err != nil {
		return "", err
	}
	info, err := root.Lstat(manifestFile)
	if err != nil {
		return "", err
	}
	in.sealed.add(manifestFile, info)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// fill puts an artifact into an empty folder.
func (in *intake) fill(dir string, a Artifact) (err error) {
	defer func() {
		if hashErr := in.wait(); err == nil { // also if save panics: what is read can't be removed everywhere
			err = hashErr
		}
	}()
	return a.put(in.ctx, dir, in)
}

// digestTree lists and hashes the files of a new tree, several at once, unless
// the intake hashed them already. It first takes their write bits, so that a
// version is not changed by accident.
func (in *intake) digestTree(root *os.Root) (*manifest, error) {
	m := &manifest{Files: []manifestEntry{}}
	s, err := takeSurvey(in.ctx, fsroot.FS(root), maxStagedPath)
	if err != nil {
		return nil, err
	}
	in.sealed = s
	for i, e := range s.entries {
		if e.mode.IsDir() || e.name == manifestFile {
			continue
		}
		if err := in.lock(root, &s.entries[i]); err != nil {
			return nil, err
		}
		f := manifestEntry{Path: e.name, Size: e.Size, Mode: fmt.Sprintf("%04o", readOnly(e.mode))}
		sum, counted := in.sums[filepath.Join(in.dir, filepath.FromSlash(e.name))]
		if sum.size == f.Size {
			f.SHA256 = sum.sha256
		}
		if !counted {
			in.meter.add(0, 0, f.Size)
		}
		m.Files = append(m.Files, f)
	}
	slices.SortFunc(m.Files, func(a, b manifestEntry) int { return strings.Compare(a.Path, b.Path) })
	return m, hashFiles(in.ctx, root, m.Files, in.meter)
}

// readOnly returns the permission bits that a version's file has.
func readOnly(mode fs.FileMode) fs.FileMode { return mode.Perm()&^0o222 | 0o400 }

// walkFiles visits the files of a tree but its manifest.
func walkFiles(ctx context.Context, root *os.Root, visit func(name string, d fs.DirEntry) error) error {
	return walkFolder(ctx, root, ".", visit)
}

func walkFolder(ctx context.Context, root *os.Root, folder string, visit func(name string, d fs.DirEntry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := fsroot.ReadDir(root, folder)
	if err != nil {
		return badArtifact(err)
	}
	for _, d := range entries {
		name := d.Name()
		if folder != "." {
			name = folder + "/" + name
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		switch {
		case d.IsDir():
			err = walkFolder(ctx, root, name, visit)
		case name != manifestFile:
			err = visit(name, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check names the files of a tree that are missing, changed or added since the manifest
// was made. Modes may differ: a copied store has other ones.
func (m *manifest) check(ctx context.Context, root *os.Root, progress *meter) error {
	var faults []error
	have := make([]manifestEntry, 0, len(m.Files))
	there := make([]bool, len(m.Files))
	err := walkFiles(ctx, root, func(name string, _ fs.DirEntry) error {
		i, listed := m.at[name]
		if !listed {
			faults = append(faults, fmt.Errorf("%w: %s was added", ErrArtifact, name))
			return nil
		}
		there[i] = true
		have = append(have, manifestEntry{Path: name, Size: m.Files[i].Size})
		progress.add(0, 0, m.Files[i].Size)
		return nil
	})
	if err == nil {
		err = hashFiles(ctx, root, have, progress)
	}
	if err != nil {
		return err
	}
	for _, h := range have {
		if want := m.Files[m.at[h.Path]].SHA256; h.SHA256 != want {
			faults = append(faults, fmt.Errorf("%w: %s was changed: sha256 %s, not %s", ErrArtifact, h.Path, h.SHA256, want))
		}
	}
	for i, f := range m.Files {
		switch last := m.at[f.Path]; {
		case last != i:
			faults = append(faults, fmt.Errorf("%w: %s lists %s twice", ErrArtifact, manifestFile, f.Path))
		case !there[i]:
			faults = append(faults, fmt.Errorf("%w: %s is missing", ErrArtifact, f.Path))
		}
	}
	return errors.Join(faults...)
}

// hashAlone is the size of a tree that is hashed sooner than other goroutines take up
// their work.
const hashAlone = 256 << 10

func hashFiles(ctx context.Context, root *os.Root, files []manifestEntry, progress *meter) error {
	todo := make([]*manifestEntry, 0, len(files))
	var size int64
	for i := range files {
		if files[i].SHA256 == "" {
			todo, size = append(todo, &files[i]), size+files[i].Size
		}
	}
	workers := min(len(todo), runtime.GOMAXPROCS(0))
	if size <= hashAlone || workers <= 1 {
		for _, f := range todo {
			if err := hashFile(ctx, root, f, progress); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(todo)); i = next.Add(1) - 1 {
			if err := hashFile(ctx, root, todo[i], progress); err != nil {
				cancel(err)
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return context.Cause(ctx)
}

func hashFile(ctx context.Context, root *os.Root, f *manifestEntry, progress *meter) error {
	in, _, err := fsroot.OpenFile(root, f.Path, os.O_RDONLY, 0)
	if err != nil {
		return badArtifact(err)
	}
	defer in.Close()
	h := hashers.Get().(hash.Hash)
	defer hashers.Put(h)
	h.Reset()
	if f.Size, err = hashAll(ctx, h, in, f.Size, progress); err != nil {
		return err
	}
	var sum [sha256.Size]byte
	f.SHA256 = hex.EncodeToString(h.Sum(sum[:0]))
	return nil
}

var hashers = sync.Pool{New: func() any { return sha256.New() }}
