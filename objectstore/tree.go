package objectstore

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
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
)

// tree is a version in the cache.
type tree struct {
	dir     string
	release func()
}

func (t *tree) Path() string { return t.dir }
func (t *tree) Close() error { t.release(); return nil }

// A source lists a version's files and where their objects are.
type source struct {
	key      string // in the cache; made from the contents of the files only
	files    []fileInfo
	manifest []byte   // nil if the tree has none
	dirs     []string // folders of the files; a later one has those that are not in an earlier one
}

// OpenTree returns a version's files in the cache. It downloads them if
// necessary.
func (s *Store) OpenTree(ctx context.Context, useCase, model, version string) (driver.Tree, error) {
	return s.FetchTree(ctx, useCase, model, version, func(int64, int64) {})
}

// FetchTree is OpenTree that calls progress while it downloads files.
func (s *Store) FetchTree(ctx context.Context, useCase, model, version string, progress func(done, total int64)) (driver.Tree, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	if err := driver.CheckVersion(version); err != nil {
		return nil, err
	}
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	if t, err := s.remembered(ctx, name, version); t != nil || err != nil {
		return t, err
	}
	// The files may be moving from the upload to their place. At any moment
	// each file is in at least one of the two.
	var err error
	for range 3 {
		var src *source
		if src, err = s.source(ctx, name, version); err != nil {
			return nil, err
		}
		var t driver.Tree
		if t, err = s.fetchSource(ctx, src, progress); err == nil {
			s.remember(name, version, src)
			return t, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return nil, err
}

// fetchSource returns a tree in the cache, which it downloads if necessary.
func (s *Store) fetchSource(ctx context.Context, src *source, progress func(done, total int64)) (driver.Tree, error) {
	if t, err := s.cached(ctx, src.key); t != nil || err != nil {
		return t, err
	}
	meter := &fetchMeter{total: src.size(), report: progress}
	meter.set(0)
	dir, release, err := s.cache.open(ctx, src.key, func(dir string) error { return s.download(ctx, src, dir, meter) })
	if err != nil {
		return nil, err
	}
	meter.set(meter.total) // another process may have downloaded them
	return &tree{dir, release}, nil
}

// A fetchMeter adds up the bytes of the files of a tree that were downloaded.
type fetchMeter struct {
	total  int64
	report func(done, total int64)

	mu   sync.Mutex
	done int64
}

// Write counts bytes that were downloaded.
func (m *fetchMeter) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = min(m.done+int64(len(p)), m.total) // a damaged file may be too large
	m.report(m.done, m.total)
	return len(p), nil
}

func (m *fetchMeter) set(done int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = done
	m.report(m.done, m.total)
}

// size returns the size of the files that are downloaded. The manifest is not
// one of them, because it was read to make the source.
func (src *source) size() (n int64) {
	for _, f := range src.files {
		n += f.Size
	}
	return n
}

// remembered returns the tree of a version in the cache if the version was
// opened before, or nil. A version's files do not change.
func (s *Store) remembered(ctx context.Context, name mr.ModelName, version string) (driver.Tree, error) {
	var key string
	s.know(name, func(k *known) { key = k.trees[version].key })
	if key == "" {
		return nil, nil
	}
	return s.cached(ctx, key)
}

// cached returns a tree that is in the cache, or nil.
func (s *Store) cached(ctx context.Context, key string) (driver.Tree, error) {
	dir, release, ok, err := s.cache.get(ctx, key)
	if !ok || err != nil {
		return nil, err
	}
	return &tree{dir, release}, nil
}

// remember records the name in the cache of a version's tree.
func (s *Store) remember(name mr.ModelName, version string, src *source) {
	s.know(name, func(k *known) {
		info := k.trees[version]
		info.key = src.key
		k.trees[version] = info
	})
}

// CachedTree returns a version's files in the cache, or as streams if they are
// not there.
func (s *Store) CachedTree(ctx context.Context, useCase, model, version string) (driver.Tree, driver.TreeFiles, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	if err := driver.CheckVersion(version); err != nil {
		return nil, nil, err
	}
	if err := s.checkBucket(ctx); err != nil {
		return nil, nil, err
	}
	if t, err := s.remembered(ctx, name, version); t != nil || err != nil {
		return t, nil, err
	}
	src, err := s.source(ctx, name, version)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.cached(ctx, src.key)
	if err != nil {
		return nil, nil, err
	}
	if t != nil {
		s.remember(name, version, src)
		return t, nil, nil
	}
	return nil, &treeFiles{s, src}, nil
}

// source finds out where a version's files are: in their place, or still in the
// upload if its process did not finish, or where another program left them.
func (s *Store) source(ctx context.Context, name mr.ModelName, version string) (*source, error) {
	place := modelKey(name, versionsDir+version+"/")
	src, err := s.withManifest(ctx, place)
	if !errors.Is(err, fs.ErrNotExist) {
		return src, err
	}
	src, err = s.uploaded(ctx, name, version)
	if src != nil || err != nil {
		return src, err
	}
	list, err := s.list(ctx, place, true, 0)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &fs.PathError{Op: "open", Path: s.prefix + place, Err: fs.ErrNotExist}
	}
	// The listed objects may be the first files of a change that was made after
	// the changes were read.
	if src, err = s.uploaded(ctx, name, version); src != nil || err != nil {
		return src, err
	}
	var files []fileInfo
	for _, o := range list {
		file := strings.TrimPrefix(o.key, place)
		if !filepath.IsLocal(filepath.FromSlash(file)) || strings.HasSuffix(file, "/") {
			continue
		}
		// There is no mode. The time takes its place, so that the key of the
		// tree changes if a file is replaced.
		files = append(files, fileInfo{Path: file, Size: o.size, Mode: o.time.UTC().Format("20060102150405.000000000")})
	}
	return newSource(files, nil, place)
}

// Tree returns what kind of tree a version has, in its place or still in its
// upload.
func (v *view) Tree(version string) (driver.ItemKind, error) {
	if driver.CheckVersion(version) != nil {
		return "", nil
	}
	src, err := v.s.source(v.ctx, v.name, version)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case src.manifest == nil:
		return driver.ItemBare, nil
	}
	return driver.ItemTree, nil
}

// uploaded returns the source of a version that a change names, nil if no
// change names it.
func (s *Store) uploaded(ctx context.Context, name mr.ModelName, version string) (*source, error) {
	info, err := s.named(ctx, name, version)
	if err != nil || info.Staging == "" {
		return nil, err
	}
	place, staging := modelKey(name, versionsDir+version+"/"), modelKey(name, stagingDir+info.Staging+"/")
	if info.Files != nil {
		return newSource(info.Files, nil, staging, place)
	}
	src, err := s.withManifest(ctx, staging, place)
	if errors.Is(err, fs.ErrNotExist) { // the upload was just moved to its place, or is lost
		return s.withManifest(ctx, place)
	}
	return src, err
}

func (s *Store) withManifest(ctx context.Context, dirs ...string) (*source, error) {
	data, err := s.get(ctx, dirs[0]+manifestName)
	if err != nil {
		return nil, err
	}
	files, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	return newSource(files, data, dirs...)
}

// newSource makes a source whose key is the digest of the manifest, or of what
// else is known about the files.
func newSource(files []fileInfo, manifest []byte, dirs ...string) (*source, error) {
	src := &source{files: files, manifest: manifest, dirs: dirs}
	what := manifest
	if what == nil {
		data, err := json.Marshal([]any{dirs, files})
		if err != nil {
			return nil, err
		}
		what = data
	}
	sum := sha256.Sum256(what)
	src.key = fmt.Sprintf("%x-%d", sum, src.size()+int64(len(manifest)))
	return src, nil
}

// named returns what the changes say about a version's files, or nothing if no
// change names it.
func (s *Store) named(ctx context.Context, name mr.ModelName, version string) (info treeInfo, err error) {
	look := func() (noted int64) {
		s.know(name, func(k *known) { info, noted = k.trees[version], k.noted })
		return noted
	}
	noted := look()
	if info.Staging != "" {
		return info, nil
	}
	v := s.view(ctx, name)
	if err := v.fetchAfter(noted); err != nil {
		return info, err
	}
	s.know(name, func(k *known) { k.noted = max(k.noted, v.newest) })
	look()
	return info, nil
}

// download fetches a tree and checks the files that it writes.
func (s *Store) download(ctx context.Context, src *source, dir string, meter *fetchMeter) error {
	if src.manifest != nil {
		file := filepath.Join(dir, manifestName)
		if err := os.WriteFile(file, src.manifest, 0o666); err != nil {
			return s.cache.failed(err)
		}
		if err := s.cache.finish(file, 0o444); err != nil {
			return err
		}
	}
	err := s.eachFile(ctx, len(src.files), func(ctx context.Context, i int) error {
		f := src.files[i]
		to := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := makeShared(filepath.Dir(to)); err != nil {
			return s.cache.failed(err)
		}
		var err error
		for _, from := range src.dirs {
			err = s.downloadFile(ctx, s.prefix+from+f.Path, to, f, meter)
			if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.cache.failed(src.missingIn(dir))
}

// missingIn returns an error if a file that was downloaded to a folder is no
// longer there. The folder of a cache can be emptied at any moment, and a part
// of a tree must not pass for all of it.
func (src *source) missingIn(dir string) error {
	if src.manifest != nil {
		if _, err := os.Lstat(filepath.Join(dir, manifestName)); err != nil {
			return err
		}
	}
	for _, f := range src.files {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f.Path))); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) downloadFile(ctx context.Context, key, to string, f fileInfo, meter *fetchMeter) error {
	if err := s.fetch(ctx, key, to, f, meter); err != nil {
		return fail("get", key, err)
	}
	mode := fs.FileMode(0o444)
	if bits, err := strconv.ParseUint(f.Mode, 8, 32); err == nil {
		mode = fs.FileMode(bits)&0o555 | 0o400
	}
	return s.cache.finish(to, mode)
}

// fetch writes an object to a file of the cache, and checks the digest.
func (s *Store) fetch(ctx context.Context, key, to string, f fileInfo, meter *fetchMeter) error {
	in, err := s.open(ctx, key)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := s.cache.create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h, meter), in)
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); f.SHA256 != "" && sum != f.SHA256 {
		return fmt.Errorf("%w: %s: sha256 %s, not %s", mr.ErrArtifact, key, sum, f.SHA256)
	}
	if n != f.Size {
		return fmt.Errorf("%w: %s: %d bytes, not %d", mr.ErrArtifact, key, n, f.Size)
	}
	return out.Close()
}
