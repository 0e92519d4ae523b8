package artifact

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/ubunye-go/modelregistry/internal/filestat"
	"github.com/ubunye-go/modelregistry/internal/fsroot"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// The largest length in bytes of a path in an artifact, and of a path in a
// version.
const (
	maxPath       = pathname.MaxPath
	maxStagedPath = maxPath + len(ModelDir+"/")
)

// A survey is a listing of a tree, made without opening a file. Two surveys
// show whether the tree changed in between. If a tree is the same before its
// first file is read and after its last file was read, the files that were read
// are those of one state of the tree.
type survey struct {
	entries []surveyed // a folder comes before its contents
	files   int
	size    int64 // of all files, in bytes
}

// A surveyed is a folder or a regular file.
type surveyed struct {
	name  string // slash-separated, below the tree
	mode  fs.FileMode
	links uint64         // how many names the file has
	link  *filestat.Stat // of the symbolic link that stood for it, or nil
	filestat.Stat
}

// takeSurvey lists a tree. It refuses files and folders that no version may
// contain, and paths of more than maxPath bytes.
func takeSurvey(ctx context.Context, fsys fs.FS, maxPath int) (*survey, error) {
	s := &survey{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return Bad(err)
		case ctx.Err() != nil:
			return ctx.Err()
		case name == "." && d.IsDir():
			return nil
		}
		if err := checkPath(name, maxPath); err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%w: %s is a symbolic link; FollowLinks of FromDir, or --follow-links, copies the file that it leads to", ErrBad, name)
		}
		if err := checkEntry(name, d); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return Bad(err)
		}
		s.add(name, info)
		return nil
	})
	return s, err
}

// surveyFolder lists a folder on disk.
func surveyFolder(ctx context.Context, dir string, maxPath int) (*survey, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Bad(err)
	}
	defer root.Close()
	return takeSurvey(ctx, fsroot.FS(root), maxPath)
}

func (s *survey) add(name string, info fs.FileInfo) {
	s.entries = append(s.entries, surveyed{name, info.Mode(), fsroot.Links(info), linkStat(info), filestat.Of(info)})
	if !info.IsDir() {
		s.files++
		s.size += info.Size()
	}
}

// compare returns an error that names a file that differs in a later survey, or
// nil. doing says what was done with the file meanwhile, such as "copied".
func (s *survey) compare(later *survey, doing string) error {
	found := make(map[string]*surveyed, later.files)
	for i := range later.entries {
		if e := &later.entries[i]; !e.mode.IsDir() {
			found[e.name] = e
		}
	}
	for _, e := range s.entries {
		if e.mode.IsDir() {
			continue
		}
		now, ok := found[e.name]
		if !ok {
			return changedError(e.name, doing, "it is missing now")
		}
		if what := e.Difference(now.Stat); what != "" {
			return changedError(e.name, doing, what)
		}
		if !sameLink(e.link, now.link) {
			return changedError(e.name, doing, "another symbolic link is in its place")
		}
		delete(found, e.name)
	}
	for _, e := range later.entries {
		if _, added := found[e.name]; added {
			return changedError(e.name, doing, "it was added")
		}
	}
	return nil
}

func changedError(name, doing, what string) error {
	return fmt.Errorf("%w: %s changed while it was %s: %s", ErrBad, name, doing, what)
}

// checkPath refuses a path whose last segment some store could not keep
// unchanged. So a model that is registered in one store can be copied to any
// other.
func checkPath(name string, maxPath int) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) { // the caller's fs.FS may return any name
		return fmt.Errorf("%w: %q leaves the artifact", ErrBad, name)
	}
	err := pathname.CheckFile(path.Base(name))
	if err == nil && len(name) > maxPath {
		err = fmt.Errorf("it has %d bytes, more than %d", len(name), maxPath)
	}
	if err != nil {
		return fmt.Errorf("%w: file name %q: %w", ErrBad, name, err)
	}
	return nil
}
