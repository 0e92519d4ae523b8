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
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// An upload is a tree that is being made: files below .staging in the bucket.
type upload struct {
	s       *Store
	name    mr.ModelName
	id      string
	since   int64 // the newest change before the upload began
	files   []fileInfo
	bare    bool     // it has no manifest
	sent    []string // keys
	over    bool     // it was discarded
	mu      sync.Mutex
	mayBeIn bool // a change that names the upload may exist
}

// staged is an upload of the files of a local folder. Seal sends them.
type staged struct {
	upload
	dir    string
	unlock func()
}

// uploadOf returns the upload of a tree that this store made.
func uploadOf(t driver.StagedTree) *upload {
	if st, ok := t.Staged.(*stagedFiles); ok {
		return &st.upload
	}
	return &t.Staged.(*staged).upload
}

// Stage begins a tree in a local folder.
func (s *Store) Stage(ctx context.Context, useCase, model string) (driver.StagedFolder, error) {
	name := mr.ModelName{UseCase: useCase, Model: model}
	if err := s.checkBucket(ctx); err != nil {
		return nil, err
	}
	if err := s.checkPrefix(ctx); err != nil {
		return nil, err
	}
	dir, unlock, err := s.cache.claim()
	if err != nil {
		return nil, err
	}
	return &staged{upload: upload{s: s, name: name, id: pathname.NewID()}, dir: dir, unlock: unlock}, nil
}

func (st *staged) Dir() string { return st.dir }

func (st *upload) key(file string) string {
	return modelKey(st.name, stagingDir+st.id+"/"+file)
}

func (st *upload) info() treeInfo {
	info := treeInfo{Staging: st.id}
	if st.bare {
		info.Files = st.files
	}
	return info
}

// begin records the newest change before the first file is sent.
func (st *upload) begin(ctx context.Context) (err error) {
	st.s.know(st.name, func(k *known) { st.since = k.newest })
	if st.since == 0 {
		if st.since, err = st.s.newest(ctx, st.name); err != nil {
			return err
		}
	}
	if st.since == 0 {
		return st.s.checkStage(ctx, st.name)
	}
	return nil
}

// Seal uploads the files, the manifest last. No reader lists them before a
// change names them.
func (st *staged) Seal(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := st.begin(ctx); err != nil {
		return err
	}
	if st.files, err = localFiles(st.dir); err != nil {
		return err
	}
	digests, err := localManifest(st.dir)
	if err != nil {
		return err
	}
	st.bare = digests == nil
	for _, f := range st.files {
		st.sent = append(st.sent, st.key(f.Path))
	}
	manifest := slices.IndexFunc(st.files, func(f fileInfo) bool { return f.Path == manifestName })
	err = st.s.eachFile(ctx, len(st.files), func(ctx context.Context, i int) error {
		if i == manifest {
			return nil
		}
		return st.send(ctx, &st.files[i], digests)
	})
	if err == nil && manifest >= 0 {
		err = st.send(ctx, &st.files[manifest], nil)
	}
	return err
}

// send sends one file, and compares it with the manifest.
func (st *staged) send(ctx context.Context, f *fileInfo, digests map[string]string) error {
	err := retry(ctx, func() error {
		return st.s.retryWithoutChecksums(func() error { return st.trySend(ctx, f) })
	})
	if want := digests[f.Path]; err == nil && want != "" && want != f.SHA256 {
		return fmt.Errorf("%w: %s changed while it was uploaded", mr.ErrArtifact, f.Path)
	}
	return fail("put", st.s.prefix+st.key(f.Path), err)
}

func (st *staged) trySend(ctx context.Context, f *fileInfo) error {
	in, err := os.Open(filepath.Join(st.dir, filepath.FromSlash(f.Path)))
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	if err := st.s.upload(ctx, st.s.prefix+st.key(f.Path), io.TeeReader(in, h), f.Size); err != nil {
		return err
	}
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

// localFiles lists a folder's files, sorted by name.
func localFiles(dir string) (files []fileInfo, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files = append(files, fileInfo{Path: filepath.ToSlash(rel), Size: info.Size(), Mode: fmt.Sprintf("%04o", info.Mode().Perm())})
		return nil
	})
	slices.SortFunc(files, func(a, b fileInfo) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}

func localManifest(dir string) (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, f := range files {
		digests[f.Path] = f.SHA256
	}
	return digests, nil
}

// parseManifest returns the files that a manifest lists. It refuses a path that
// would leave the tree.
func parseManifest(data []byte) ([]fileInfo, error) {
	var m struct {
		Files []fileInfo `json:"files"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", mr.ErrArtifact, manifestName, err)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || path.Clean(f.Path) != f.Path || f.Path == manifestName {
			return nil, fmt.Errorf("%w: %s names %q", mr.ErrArtifact, manifestName, f.Path)
		}
	}
	return m.Files, nil
}

// notSwept returns an error if the upload was discarded, or if Sweep treated it
// as dead since it began.
func (st *upload) notSwept(ctx context.Context, v *view) error {
	if st.over {
		return &Error{"register", v.s.prefix + st.key(""), fs.ErrClosed}
	}
	for n := st.since + 1; n <= v.newest; n++ {
		sl := v.slots[n]
		if sl == nil {
			var err error
			if sl, err = v.s.slot(ctx, v.name, n); err != nil {
				return err
			}
		}
		if slices.Contains(sl.Swept, st.id) {
			return &Error{"register", v.s.prefix + st.key(""), ErrSwept}
		}
	}
	st.since = max(st.since, v.newest)
	return nil
}

// keep records that from now on a change may name the upload. release records
// that none does.
func (st *upload) keep()    { st.mu.Lock(); st.mayBeIn = true; st.mu.Unlock() }
func (st *upload) release() { st.mu.Lock(); st.mayBeIn = false; st.mu.Unlock() }

// Discard removes the local folder. It also removes the uploaded files, unless
// a change may name them.
func (st *staged) Discard() error {
	if st.over {
		return nil
	}
	err := removeAll(st.dir)
	st.unlock()
	return errors.Join(err, st.giveUp())
}

// giveUp removes the uploaded files unless a change may name them.
func (st *upload) giveUp() error {
	st.over = true
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.mayBeIn {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleFor)
	defer cancel()
	return st.s.each(ctx, len(st.sent), func(ctx context.Context, i int) error {
		return st.s.remove(ctx, st.sent[i])
	})
}

// publish copies a version's files into their place, the manifest last, and
// then removes the upload. A person, and the folder store in a copy of the
// bucket, look for the files in that place. Any process can repeat it, because
// the contents of the files are fixed. Remains in that place are put aside.
func (s *Store) publish(ctx context.Context, name mr.ModelName, version, id string, files []fileInfo, remains []object) error {
	to, from := modelKey(name, versionsDir+version+"/"), modelKey(name, stagingDir+id+"/")
	if err := s.putAside(ctx, name, version, remains); err != nil {
		return err
	}
	var last []fileInfo
	var first []fileInfo
	for _, f := range files {
		if f.Path == manifestName {
			last = append(last, f)
		} else {
			first = append(first, f)
		}
	}
	for _, files := range [][]fileInfo{first, last} {
		err := s.eachFile(ctx, len(files), func(ctx context.Context, i int) error {
			return s.copyObject(ctx, to+files[i].Path, from+files[i].Path, files[i].Size)
		})
		if err != nil {
			return err
		}
	}
	return s.each(ctx, len(files), func(ctx context.Context, i int) error { return s.remove(ctx, from+files[i].Path) })
}

func (s *Store) putAside(ctx context.Context, name mr.ModelName, version string, remains []object) error {
	if len(remains) == 0 {
		return nil
	}
	from, to := modelKey(name, versionsDir+version+"/"), modelKey(name, orphansDir+version+"-"+pathname.NewID()+"/")
	err := s.eachFile(ctx, len(remains), func(ctx context.Context, i int) error {
		o := remains[i]
		return s.copyObject(ctx, to+strings.TrimPrefix(o.key, from), o.key, o.size)
	})
	if err != nil {
		return err
	}
	return s.each(ctx, len(remains), func(ctx context.Context, i int) error { return s.remove(ctx, remains[i].key) })
}
