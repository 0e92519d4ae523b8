package fsstore

import (
	"context"
	"io/fs"
	"path"

	"github.com/ubunye-go/modelregistry/driver"
)

// A folder is a version's tree, read in its place. It is a
// [driver.ArtifactTree].
type folder struct {
	dir      string
	artifact string // the artifact's folder; empty if there is none
	name     string // of the artifact's folder, relative to the store
	seen     Stamp  // of the artifact's folder
}

func (f *folder) Path() string     { return f.dir }
func (f *folder) Artifact() string { return f.artifact }
func (f *folder) Close() error     { return nil }

// maxFound bounds how many folders are remembered.
const maxFound = 1 << 12

// OpenTree returns the folder of a version. It remembers folders and recognizes
// them by the artifact's inode, so that opening one again takes one stat.
func (s *Store) OpenTree(_ context.Context, useCase, model, version string) (driver.Tree, error) {
	d, err := s.lastDisk()
	if err != nil {
		return nil, err
	}
	key := [3]string{useCase, model, version}
	s.mu.Lock()
	f := s.found[key]
	s.mu.Unlock()
	if f != nil {
		if now, err := d.Stamp(f.name); err == nil && now.Dir && now.FileID == f.seen.FileID {
			return f, nil
		}
	}
	if err := driver.CheckVersion(version); err != nil {
		return nil, err
	}
	if d, err = s.disk(false); err != nil {
		return nil, err
	}
	if err := s.checkSpelling(d, s.place(useCase, model)); err != nil {
		return nil, err
	}
	name := path.Join(useCase, model, versionsName, version)
	info, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f = &folder{dir: s.path(name), name: path.Join(name, artifactName)}
	if f.seen, err = d.Stamp(f.name); err != nil || !f.seen.Dir {
		return f, err
	}
	f.artifact = s.path(f.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found) >= maxFound {
		clear(s.found)
	}
	s.found[key] = f
	return f, nil
}
