package modelregistry

import (
	"io/fs"

	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// An Artifact is the source of a version's files. It holds regular files and
// folders, and at least one file. The registry does not interpret the contents
// of the files. See FollowLinks for symbolic links.
//
// A registration fails with ErrArtifact if a file is written to, added or
// removed meanwhile. The error names the file. It fails in the same way for a
// file name that not every store can keep: a name that is not UTF-8, ends in a
// dot, or contains a control character or one of \ " # % ?.
type Artifact struct{ source artifact.Source }

// FromDir returns an Artifact that copies the contents of a directory.
func FromDir(dir string) Artifact { return Artifact{artifact.FromDir(dir)} }

// FromFile returns an Artifact that copies one file, under its own name.
func FromFile(file string) Artifact { return Artifact{artifact.FromFile(file)} }

// FromPath returns FromDir(name) if name is a directory, and otherwise
// FromFile(name). The registration decides which.
func FromPath(name string) Artifact { return Artifact{artifact.FromPath(name)} }

// FromFS returns an Artifact that copies a file system, such as an embed.FS, an
// fstest.MapFS or an open archive. The registration compares the size and the
// modification time of each file to detect changes.
func FromFS(fsys fs.FS) Artifact { return Artifact{artifact.FromFS(fsys)} }

// FromFunc returns an Artifact whose files are written by save, into an empty
// folder dir. The folder becomes part of the version without a copy, except
// that a file with a second name elsewhere (a hard link) is replaced by a copy.
// If save fails or panics, the folder is removed. Nothing may write to the
// folder after save has returned.
func FromFunc(save func(dir string) error) Artifact { return Artifact{artifact.FromFunc(save)} }

// MoveDir returns an Artifact that moves a directory into the store. It renames
// the directory if that is on the store's file system, and replaces files in it
// that have a second name elsewhere (a hard link) by copies. Otherwise it
// copies the directory, and the original stays. If the registration fails, the
// directory is moved back, unless the error matches ErrUncertain. A symbolic
// link in the directory is refused.
func MoveDir(dir string) Artifact { return Artifact{artifact.MoveDir(dir)} }

// FollowLinks returns an Artifact in which a symbolic link stands for the
// regular file that it leads to. The version holds a copy of that file, under
// the name of the link. Without FollowLinks, a link is refused.
//
// The links may lead anywhere inside the directory root, which holds the
// artifact. A registration fails with ErrArtifact if a link leads out of root,
// has an absolute path, or leads to a folder. The error names the link and its
// target. A link that changes meanwhile can't lead out of root either.
//
// In a cache of Hugging Face, root is the folder of the model:
//
//	FromDir("hub/models--org--bert/snapshots/abc").FollowLinks("hub/models--org--bert")
//
// FollowLinks is for FromDir, FromFile and FromPath. Any other Artifact with
// FollowLinks is refused.
func (a Artifact) FollowLinks(root string) Artifact { return Artifact{a.source.FollowLinks(root)} }
