package driver

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A TreeReader is a [Store] that reads a version's files as streams, without a
// local folder. Without it they are read from the folder of OpenTree.
type TreeReader interface {
	// ReadTree returns the files of a version's tree, the same that OpenTree
	// has in its folder. Its errors are those of OpenTree: for a version
	// without a tree, the error matches fs.ErrNotExist.
	ReadTree(ctx context.Context, useCase, model, version string) (TreeFiles, error)
}

// TreeFiles are the files of a version's tree, manifest.json among them. The
// methods may be called concurrently.
type TreeFiles interface {
	// Files yields each file of the tree, in any order. It ends after an error.
	// Anything that is neither a file nor a folder, such as a symbolic link, is
	// an error that matches fs.ErrInvalid.
	Files(ctx context.Context) iter.Seq2[TreeFile, error]

	// Open opens a file by its path for reading. The context holds until the
	// file is closed. The error of a path that Files does not yield matches
	// fs.ErrNotExist or fs.ErrInvalid. Open need not check digests: the caller
	// compares what it read with the manifest.
	Open(ctx context.Context, path string) (io.ReadCloser, error)

	// Close ends the use of the tree.
	Close() error
}

// A TreeFile is one file of a tree.
type TreeFile struct {
	Path string // relative to the tree, separated by slashes
	Size int64  // bytes

	// Mode has the permission bits. A store that keeps no modes reports those
	// in the manifest, or 0444.
	Mode fs.FileMode
}

// maxTreePath bounds a path. The artifact is in the folder "model" of the tree.
const maxTreePath = pathname.MaxPath + len("model/")

// Validate returns an error that matches ErrInvalid and gives the reason if the
// file can't be part of a tree in every store, or nil.
func (f TreeFile) Validate() error {
	invalid := func(why error) error { return fmt.Errorf("%w file name %q: %w", ErrInvalid, f.Path, why) }
	for segment := range strings.SplitSeq(f.Path, "/") {
		if err := pathname.CheckFile(segment); err != nil {
			return invalid(err)
		}
	}
	switch {
	case len(f.Path) > maxTreePath:
		return invalid(fmt.Errorf("it has %d bytes, more than %d", len(f.Path), maxTreePath))
	case f.Size < 0:
		return fmt.Errorf("%w file %q: its size is %d", ErrInvalid, f.Path, f.Size)
	case f.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("%w file %q: its mode is %v, want permission bits only", ErrInvalid, f.Path, f.Mode)
	}
	return nil
}

// A TreeWriter is a [Store] to which a tree is written as streams, without a
// local folder. Without it the files are written to the folder of Stage.
type TreeWriter interface {
	// StageFiles begins a tree that no reader sees.
	StageFiles(ctx context.Context, useCase, model string) (StagedFiles, error)
}

// A StagedFiles is a [Staged] whose files are written as streams. Seal and
// Discard are called while no other call to the tree or to its files runs.
type StagedFiles interface {
	Staged

	// Create begins a file, which ends at Close. Files may be written
	// concurrently, each by one goroutine. The context holds until the file is
	// closed. The caller creates manifest.json last, after it closed every
	// other file, and ensures that the files match it.
	//
	// Create refuses a file with an error, and the tree stays as it was. The
	// error matches fs.ErrInvalid if Validate refuses the file or if it is not
	// the turn of manifest.json. It matches fs.ErrExist if the path is that of
	// another file of the tree, or of a folder of one, or is below another
	// file. It matches fs.ErrClosed after Seal or Discard.
	//
	// The file must get exactly as many bytes as its Size says. A Write beyond
	// them and a Close before them fail. Close reports whether the store has
	// the file; Seal makes it durable.
	//
	// Seal fails if a file is still open, or if a Write or Close failed.
	// Discard removes what was written of open files too.
	Create(ctx context.Context, file TreeFile) (io.WriteCloser, error)
}
