package artifact

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

	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/pathname"
	"github.com/ubunye-go/modelregistry/internal/pyjson"
)

// Names inside a version's tree.
const (
	ModelDir     = "model"
	ManifestFile = "manifest.json"
	MetadataFile = "metadata.json"
	MetricsFile  = "metrics.json"
)

// A manifest lists every file of a version's tree except itself.
type manifest struct {
	Files []manifestEntry `json:"files"`

	at map[string]int // the last index of a path in Files
}

// MaxManifest bounds a manifest, in bytes: some million files.
const MaxManifest = 256 << 20

type manifestEntry struct {
	Path   string `json:"path"` // slash-separated, below the version's folder
	Size   int64  `json:"size"` // bytes
	Mode   string `json:"mode"` // permission bits, octal
	SHA256 string `json:"sha256"`
}

// FillTree writes a version's whole tree into the staging folder and returns
// its manifest's digest.
func (h *Hasher) FillTree(s Source, metadata, metrics []byte) (digest string, err error) {
	model := filepath.Join(h.dir, ModelDir)
	if err := fsroot.MkdirPath(model); err != nil {
		return "", err
	}
	if err := h.fill(model, s); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(h.dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for name, raw := range map[string][]byte{MetadataFile: metadata, MetricsFile: metrics} {
		raw = pyjson.Indent(nil, raw, "")
		if err := writeReadOnly(root, name, raw); err != nil {
			return "", err
		}
		h.meter.add(0, int64(len(raw)), int64(len(raw)))
		h.note(filepath.Join(h.dir, name), sumOf(raw))
	}
	m, err := h.digestTree(root)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(m.Files, func(f manifestEntry) bool { return strings.HasPrefix(f.Path, ModelDir+"/") }) {
		return "", ErrNoFile
	}
	h.files = m.filesDigest()
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	if len(raw) > MaxManifest {
		return "", fmt.Errorf("%w: %d files need a manifest of %d bytes, more than %d", ErrBad, len(m.Files), len(raw), MaxManifest)
	}
	if err := writeReadOnly(root, ManifestFile, raw); err != nil {
		return "", err
	}
	info, err := root.Lstat(ManifestFile)
	if err != nil {
		return "", err
	}
	h.sealed.add(ManifestFile, info)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// writeReadOnly writes a file without write bits. In a shared folder, the users
// of the folder can read it.
func writeReadOnly(root *os.Root, name string, raw []byte) error {
	if err := root.WriteFile(name, raw, 0o444); err != nil {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	folder, err := root.Stat(".")
	if err != nil {
		return err
	}
	if mode := readOnly(fsroot.Shared(info.Mode(), folder.Mode())); mode != info.Mode().Perm() {
		_ = root.Chmod(name, mode) // the umask took rights; a system without modes keeps its own
	}
	return nil
}

// fill puts an artifact into an empty folder.
// filesDigest returns a digest of the artifact: the SHA-256 of a line for each
// of its files, sorted by path, with the file's SHA-256, its size and its path.
func (m *manifest) filesDigest() string {
	files := slices.Clone(m.Files)
	slices.SortFunc(files, func(a, b manifestEntry) int { return strings.Compare(a.Path, b.Path) })
	sum := sha256.New()
	for _, f := range files {
		if path, ok := strings.CutPrefix(f.Path, ModelDir+"/"); ok {
			fmt.Fprintf(sum, "%s %d %s\n", f.SHA256, f.Size, path)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// FilesDigest returns the digest of the artifact after FillTree. It does not
// depend on the metadata, the metrics and the modes of files.
func (h *Hasher) FilesDigest() string { return h.files }

func (h *Hasher) fill(dir string, s Source) (err error) {
	defer func() {
		// This runs also if the save function panics, because Windows does not
		// remove a file that is open.
		if hashErr := h.wait(); err == nil {
			err = hashErr
		}
	}()
	return s.put(h.ctx, dir, h)
}

// digestTree lists and hashes the files of a new tree, several at once, except
// those that were hashed while they were copied. It first removes their write
// bits, so that a version is not changed by accident.
func (h *Hasher) digestTree(root *os.Root) (*manifest, error) {
	m := &manifest{Files: []manifestEntry{}}
	s, err := takeSurvey(h.ctx, fsroot.FS(root), maxStagedPath)
	if err != nil {
		return nil, err
	}
	h.sealed = s
	folder, err := root.Stat(".")
	if err != nil {
		return nil, err
	}
	for i := range s.entries {
		e := &s.entries[i]
		if e.mode.IsDir() {
			fsroot.Share(root, e.name)
			continue
		}
		if e.name == ManifestFile {
			continue
		}
		if e.links > 1 {
			if err := h.detach(root, e); err != nil {
				return nil, err
			}
		}
		mode := readOnly(fsroot.Shared(e.mode, folder.Mode()))
		if err := h.makeReadOnly(root, e, mode); err != nil {
			return nil, err
		}
		f := manifestEntry{Path: e.name, Size: e.Size, Mode: fmt.Sprintf("%04o", mode)}
		sum, counted := h.sums[filepath.Join(h.dir, filepath.FromSlash(e.name))]
		if sum.size == f.Size {
			f.SHA256 = sum.sha256
		}
		if !counted {
			h.meter.add(0, 0, f.Size)
		}
		m.Files = append(m.Files, f)
	}
	slices.SortFunc(m.Files, func(a, b manifestEntry) int { return strings.Compare(a.Path, b.Path) })
	return m, hashFiles(h.ctx, root, m.Files, nil, h.meter)
}

// readOnly returns the permission bits that a version's file has.
func readOnly(mode fs.FileMode) fs.FileMode { return mode.Perm()&^0o222 | 0o400 }

// walkFiles visits the files of a tree except its manifest.
func walkFiles(ctx context.Context, root *os.Root, visit func(name string, d fs.DirEntry) error) error {
	return walkFolder(ctx, root, ".", visit)
}

func walkFolder(ctx context.Context, root *os.Root, folder string, visit func(name string, d fs.DirEntry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := fsroot.ReadDir(root, folder)
	if err != nil {
		return Bad(err)
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
		case name != ManifestFile:
			err = visit(name, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check returns an error that names the files of a tree that are missing,
// changed or added since the manifest was made. Modes may differ, as they do in
// a copy of a store. It returns the paths of added files that a system puts
// into folders by itself.
func (m *manifest) check(ctx context.Context, root *os.Root, hashing limit, progress *Meter) (bySystem []string, err error) {
	var faults []error
	have := make([]manifestEntry, 0, len(m.Files))
	there := make([]bool, len(m.Files))
	err = walkFiles(ctx, root, func(name string, d fs.DirEntry) error {
		i, listed := m.at[name]
		if !listed && d.Type().IsRegular() && pathname.MadeBySystem(d.Name()) {
			bySystem = append(bySystem, name)
			return nil
		}
		if !listed {
			faults = append(faults, fmt.Errorf("%w: %s was added", ErrBad, name))
			return nil
		}
		there[i] = true
		have = append(have, manifestEntry{Path: name, Size: m.Files[i].Size})
		progress.add(0, 0, m.Files[i].Size)
		return nil
	})
	if err == nil {
		err = hashFiles(ctx, root, have, hashing, progress)
	}
	if err != nil {
		return nil, err
	}
	for _, h := range have {
		if want := m.Files[m.at[h.Path]].SHA256; h.SHA256 != want {
			faults = append(faults, fmt.Errorf("%w: %s was changed: sha256 %s, not %s", ErrBad, h.Path, h.SHA256, want))
		}
	}
	for i, f := range m.Files {
		switch last := m.at[f.Path]; {
		case last != i:
			faults = append(faults, fmt.Errorf("%w: %s lists %s twice", ErrBad, ManifestFile, f.Path))
		case !there[i]:
			faults = append(faults, fmt.Errorf("%w: %s is missing", ErrBad, f.Path))
		}
	}
	return bySystem, errors.Join(faults...)
}

// hashAlone is the size of a tree that one goroutine hashes before others would
// start.
const hashAlone = 256 << 10

// hashFiles hashes the files that have no digest yet, as many at once as there
// are cores and as hashing permits.
func hashFiles(ctx context.Context, root *os.Root, files []manifestEntry, hashing limit, progress *Meter) error {
	todo := make([]*manifestEntry, 0, len(files))
	var size int64
	for i := range files {
		if files[i].SHA256 == "" {
			todo, size = append(todo, &files[i]), size+files[i].Size
		}
	}
	workers := min(len(todo), runtime.GOMAXPROCS(0))
	hashOne := func(ctx context.Context, i int) error {
		if err := hashing.enter(ctx); err != nil {
			return err
		}
		defer hashing.leave()
		return hashFile(ctx, root, todo[i], progress)
	}
	if size <= hashAlone || workers <= 1 {
		for i := range todo {
			if err := hashOne(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	return InParallel(ctx, workers, len(todo), hashOne)
}

func hashFile(ctx context.Context, root *os.Root, f *manifestEntry, progress *Meter) error {
	file, _, err := fsroot.OpenFile(root, f.Path, os.O_RDONLY, 0)
	if err != nil {
		return Bad(err)
	}
	defer file.Close()
	h := hashers.Get().(hash.Hash)
	defer hashers.Put(h)
	h.Reset()
	if f.Size, err = hashAll(ctx, h, file, f.Size, progress); err != nil {
		return err
	}
	var sum [sha256.Size]byte
	f.SHA256 = hex.EncodeToString(h.Sum(sum[:0]))
	return nil
}

var hashers = sync.Pool{New: func() any { return sha256.New() }}
