// Package driver is the contract between a model registry and the store that
// keeps its bytes. Programs that use a registry do not need it. Import it to
// put a registry on a database or a service of your own. It does not know what
// the bytes mean: events, stages and gates belong to package modelregistry.
//
// Implement [Store], pass it to modelregistry.New, and test it with
// registrytest.TestStore, whose cases quote the rules of this page. The
// interfaces [Inspector], [Maintainer], [PartView], [NotedView], [TreeView],
// [BackwardLog], [ExternalChecker], [Looker], [LockHolder], [LossExplainer],
// [ArtifactTree], [Usage], [Remover], [Cleaner], [TreeReader], [Fetcher] and
// [TreeWriter] are optional. Each says what a registry does without it.
//
// # Data
//
// A store keeps for each model an append-only log, one document that is a
// checkpoint of the log, and one immutable tree of files for each version.
//
// A model exists once lines were appended to its log, or it has a document.
//
// The log is a sequence of lines, none of which contains a newline or a NUL. A
// position in the log is a number that the store chooses. Position 0 is the
// start. Positions only grow, at about the rate of the bytes: the registry
// decides by their difference when to write the document. If positions count
// the bytes of the lines, the document stays valid in a copy of the model in
// another store.
//
// A tree that a registry made contains a manifest.json: an object whose "files"
// list the path, size, mode and SHA-256 of every other file of the tree. With
// it a store can check copies that it keeps, and can distinguish the registry's
// trees from others. A manifest can be wrong, so a store reads and writes
// nothing outside the tree because of it. Folders without a file in them need
// not be kept.
//
// # Names
//
// Methods get validated names of use cases and models. Different names are
// different models, byte for byte. The system below the store may find a model
// by other spellings of its name, as a file system does that ignores case or
// the normal forms of Unicode. Then the store refuses those spellings with a
// *[NameError].
//
// A model is not made while another model exists whose use case and name equal
// its own under strings.EqualFold: the commit fails with a *NameError, and
// nothing happens. The reason is that not every file system could hold a copy
// of both. Existing models that the store can distinguish stay usable. If two
// such models are made at the same moment, either one is made, or both are made
// and stay apart.
//
// A version that is not a path segment, as names are, does not exist. The
// registry reads versions from what other programs may have written, so it may
// pass any string. OpenTree's error then matches fs.ErrNotExist or
// fs.ErrInvalid, a commit's error matches fs.ErrInvalid, and nothing happens.
// [StagedTree.Validate] checks a version.
//
// # Changes and reads
//
// [Store.Append] is the only way to change a model. It calls decide with a view
// of the model's present bytes, and makes the commit that decide returns
// happen, whole or not at all, provided that nothing was appended since the
// view was taken. A store with a lock calls decide once, under the lock. A
// store with an atomic create-if-absent calls it again after each race that it
// lost. When Append returns without an error, the change survives a power cut.
//
// Reads take no lock and see whole lines and whole trees only. A version's tree
// is complete before the lines that come with it can be read.
//
// A model that has trees with a manifest, but neither a log nor a document, has
// lost both. A commit in it fails with an error that matches [ErrIndexLost],
// and nothing happens, because the registry would give out the numbers of those
// versions again. A crash during a model's first commit can leave such trees,
// too. That is not a loss, and the store distinguishes the two cases.
//
// # Errors and concurrency
//
// Errors of the system below the store are wrapped, so that errors.Is finds
// them. All methods may be called concurrently, and several processes may use a
// store at the same time.
package driver

import (
	"context"
	"iter"
)

// A Store keeps the bytes of a registry. The package documentation has the
// rules that concern more than one method.
type Store interface {
	// Models yields the names of the models, sorted. After an error it may go
	// on with the next.
	Models(ctx context.Context) iter.Seq2[Name, error]

	// Changed reports whether the model may have changed since the revision was
	// taken. It may report true although nothing changed. The registry calls it
	// before each answer from memory, so it should cost a stat or two, or one
	// small request. If checking the document would cost another request, a
	// store may ignore external changes here and implement [ExternalChecker].
	Changed(ctx context.Context, useCase, model string, since Revision) (bool, error)

	// Read calls look with a view of the model's present bytes, and returns
	// what look returns. A model that does not exist has no document and an
	// empty log.
	Read(ctx context.Context, useCase, model string, look func(View) error) error

	// Append calls decide and makes its commit happen. If decide returns an
	// error, Append returns that error as it is, and nothing happens. Nothing
	// happens for a nil commit either.
	//
	// If Append returns no error, the lines that the view showed are durable,
	// also after a nil commit: the writer that appended them may have died
	// before it synced them. An error that matches [ErrUncertain] says that the
	// change may have happened. After any other error, it has not happened. The
	// context ends the wait for the change's turn, not the change itself.
	Append(ctx context.Context, useCase, model string, decide func(View) (*Commit, error)) (AppendResult, error)

	// Stage begins a tree in a local folder that no reader sees.
	Stage(ctx context.Context, useCase, model string) (StagedFolder, error)

	// OpenTree returns a version's tree as a local folder that stays until
	// Close. Its error matches fs.ErrNotExist if there is no tree.
	OpenTree(ctx context.Context, useCase, model, version string) (Tree, error)

	// Close ends what the store started. Calls that are under way may fail.
	Close() error
}

// A Name names a model: the use case that it serves, and its own name.
type Name struct {
	UseCase string
	Model   string
}

// String returns "use_case/model".
func (n Name) String() string { return n.UseCase + "/" + n.Model }

// An ExternalChecker is a [Store] whose Changed ignores external changes:
// documents that another program wrote. Without it, Changed must notice them.
type ExternalChecker interface {
	// ChangedExternally is Changed that also checks the document. The
	// DocumentChanged of a later view reports what it found.
	ChangedExternally(ctx context.Context, useCase, model string, since Revision) (bool, error)
}

// A Looker is a [Store] that answers Changed and shows the model in one step.
// Without it, the registry calls Changed and then Read.
type Looker interface {
	// Look returns a view of the model if the model may have changed since the
	// revision, and nil if it has not. The view stays valid until the store is
	// closed. It may be a cheaper view than Read's: if its methods return an
	// error that matches [ErrStaleView], the registry calls Read.
	Look(ctx context.Context, useCase, model string, since Revision) (View, error)
}
