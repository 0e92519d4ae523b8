package driver

import (
	"context"
	"fmt"

	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A Tree is a version's files as a local folder. The caller must not change
// them.
type Tree interface {
	// Path returns the folder. It stays until Close.
	Path() string

	// Close ends the use of the folder. The store may then remove it.
	Close() error
}

// An ArtifactTree is a [Tree] whose OpenTree searched for the artifact, which
// is the folder "model" in the tree. Without it the registry searches for the
// folder itself.
type ArtifactTree interface {
	Tree

	// Artifact returns the path of the artifact's folder. It is empty if
	// OpenTree did not find a folder of that name.
	Artifact() string
}

// A Staged is a tree that is being made. It belongs to the store that made it.
type Staged interface {
	// Seal makes the files durable. Nothing is written to the tree after it.
	Seal(ctx context.Context) error

	// Discard removes what is left of the tree. After a commit it removes only
	// what the commit did not use. It may be called twice. A tree that was
	// discarded can't be committed: the commit fails, and nothing happens.
	Discard() error
}

// A StagedFolder is a [Staged] whose files are written to a local folder.
type StagedFolder interface {
	Staged

	// Dir returns the local folder of the tree.
	Dir() string
}

// A StagedTree is a sealed tree of the same store, and the version that it
// becomes.
type StagedTree struct {
	Staged  Staged
	Version string
}

// CheckVersion returns an error that matches ErrInvalid and gives the reason if
// no program can have made a version of that name on this system, or nil. It
// accepts more than StagedTree.Validate, because other programs write names
// that some systems can't keep. A store calls it before it reads or removes a
// tree.
func CheckVersion(version string) error {
	if err := pathname.CheckFound(version); err != nil {
		return fmt.Errorf("%w version %q: %w", ErrInvalid, version, err)
	}
	return nil
}

// Validate returns an error that matches ErrInvalid and gives the reason if the
// version is not a path segment, or nil.
func (t StagedTree) Validate() error {
	if err := pathname.Check(t.Version); err != nil {
		return fmt.Errorf("%w version %q: %w", ErrInvalid, t.Version, err)
	}
	return nil
}
