package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/filestat"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
)

// FollowLinks returns a source in which a symbolic link stands for the regular
// file that it leads to. Links may lead anywhere inside the folder root, which
// holds the source, but not out of it.
func (s Source) FollowLinks(root string) Source {
	if s.put == nil {
		return s
	}
	if s.follow == nil || root == "" {
		err := fmt.Errorf("%w: links are followed only in a folder or a file on disk, inside a folder that is named", ErrBad)
		return Source{put: func(context.Context, string, *Hasher) error { return err }}
	}
	linked := s.follow(root)
	linked.follow = s.follow
	return linked
}

// linkedDir copies a directory and the files that its links lead to.
func linkedDir(dir, root string) Source {
	return Source{path: dir, put: func(ctx context.Context, to string, h *Hasher) error {
		if err := checkFolder(os.Stat, dir, to); err != nil {
			return err
		}
		files, err := openLinkFS(dir, root)
		if err != nil {
			return err
		}
		defer files.root.Close()
		return h.copyTree(files, to)
	}}
}

// linkedFile copies one file, or the file that its name leads to as a link.
func linkedFile(file, root string) Source {
	return Source{path: file, put: func(ctx context.Context, to string, h *Hasher) error {
		files, err := openLinkFS(filepath.Dir(file), root)
		if err != nil {
			return err
		}
		defer files.root.Close()
		f, info, err := files.openFile(filepath.Base(file))
		return h.copyOpened(f, info, err, file, to)
	}}
}

// A linkFS is a folder below a root, in which a symbolic link stands for the
// regular file that it leads to. The root confines each access, so a link that
// changes meanwhile can't lead out of it. A link to a folder is an error, so a
// tree never holds itself.
type linkFS struct {
	root *os.Root
	dir  string // slash-separated, below the root
}

// openLinkFS opens a folder inside a root. Either path may contain links.
func openLinkFS(dir, root string) (linkFS, error) {
	at, err := below(root, dir)
	if err != nil {
		return linkFS{}, Bad(err)
	}
	if !filepath.IsLocal(at) {
		return linkFS{}, fmt.Errorf("%w: %s is not inside %s, where links are followed", ErrBad, dir, root)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return linkFS{}, Bad(err)
	}
	return linkFS{r, filepath.ToSlash(at)}, nil
}

// below returns the path of a folder relative to another one, without links.
func below(root, dir string) (string, error) {
	var real [2]string
	for i, name := range []string{root, dir} {
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		if real[i], err = filepath.EvalSymlinks(abs); err != nil {
			return "", err
		}
	}
	return filepath.Rel(real[0], real[1])
}

// at returns the path below the root of a name below the folder.
func (l linkFS) at(name string) string { return path.Join(l.dir, name) }

// Open opens a file. If it is a link, Open opens the file that it leads to.
func (l linkFS) Open(name string) (fs.File, error) { return fsroot.FS(l.root).Open(l.at(name)) }

// openFile opens a regular file, or the regular file that a link leads to.
func (l linkFS) openFile(name string) (*os.File, fs.FileInfo, error) {
	info, err := l.root.Lstat(l.at(name))
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		_, err = l.target(name)
	}
	if err != nil {
		return nil, nil, err
	}
	return fsroot.OpenFile(l.root, l.at(name), os.O_RDONLY, 0)
}

// ReadDir lists a folder, with the files that links lead to in their place.
func (l linkFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fsroot.ReadDir(l.root, l.at(name))
	if err != nil {
		return nil, err
	}
	for i, d := range entries {
		if d.Type()&fs.ModeSymlink == 0 {
			continue
		}
		at := path.Join(name, d.Name())
		link, err := l.root.Lstat(l.at(at))
		if err != nil {
			return nil, err
		}
		file, err := l.target(at)
		if err != nil {
			return nil, err
		}
		entries[i] = linkedEntry{d, linkedInfo{file, link}}
	}
	return entries, nil
}

// target returns the info of the regular file that a link leads to.
func (l linkFS) target(name string) (fs.FileInfo, error) {
	target, err := l.root.Readlink(l.at(name))
	if err != nil {
		return nil, err
	}
	info, err := l.root.Stat(l.at(name))
	var p *fs.PathError
	if errors.As(err, &p) {
		return nil, fmt.Errorf("%s is a symbolic link to %q, which is not a file inside %s: %w", name, target, l.root.Name(), p.Err)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a symbolic link to %q, which is %s, not a file", name, target, fsroot.Describe(info.Mode()))
	}
	return info, nil
}

// A linkedEntry is the entry of a link, with the type and the info of the file
// that it leads to.
type linkedEntry struct {
	fs.DirEntry
	info linkedInfo
}

func (e linkedEntry) Type() fs.FileMode          { return e.info.Mode().Type() }
func (e linkedEntry) Info() (fs.FileInfo, error) { return e.info, nil }

// A linkedInfo is the info of the file that a link leads to, with that of the
// link.
type linkedInfo struct {
	fs.FileInfo
	link fs.FileInfo
}

// linkStat returns the stat of the link that a file was reached through. It is
// nil for any other file.
func linkStat(info fs.FileInfo) *filestat.Stat {
	l, ok := info.(linkedInfo)
	if !ok {
		return nil
	}
	stat := filestat.Of(l.link)
	return &stat
}

// sameLink reports whether two surveys reached a file through the same link, or
// both through none.
func sameLink(a, b *filestat.Stat) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Difference(*b) == ""
}
