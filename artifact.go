package modelregistry

import (
	"io/fs"

	"github.com/ubunye-go/modelregistry/internal/artifact"
)

// An Artifact is where the files of a version come from. It holds regular files
// and folders, at least one file; the registry never looks inside them.
//
// A file that is written to, added or removed while the artifact is registered
// fails the registration with ErrArtifact, which names the file. So does a file
// name that not every store can keep: one that is not UTF-8, ends in a dot or
// holds a control character or one of \ " # % ?.
type Artifact struct{ source artifact.Source }

// FromDir copies a directory.
func FromDir(dir string) Artifact { return Artifact{artifact.FromDir(dir)} }

// FromFile copies one file, under its own name.
func FromFile(file string) Artifact { return Artifact{artifact.FromFile(file)} }

// FromPath copies a directory as FromDir does, or a file as FromFile does.
func FromPath(name string) Artifact { return Artifact{artifact.FromPath(name)} }

// FromFS copies a file system: an embed.FS, an fstest.MapFS, an open archive.
// The size and the time of modification of a file show whether it changed
// meanwhile.
func FromFS(fsys fs.FS) Artifact { return Artifact{artifact.FromFS(fsys)} }

// FromFunc lets the model save itself into an empty folder, which then becomes
// the version's without being copied. If save fails or panics, nothing is left
// of it. When save returns, nothing may write to the folder any more.
func FromFunc(save func(dir string) error) Artifact { return Artifact{artifact.FromFunc(save)} }

// MoveDir moves a directory into the store: by a rename, if it is on the
// store's file system, else by a copy, after which the original stays. If the
// registration fails, the directory is moved back, unless the error matches
// ErrUncertain.
func MoveDir(dir string) Artifact { return Artifact{artifact.MoveDir(dir)} }
