package modelregistry

import (
	"context"
	"fmt"
	"iter"

	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A Store keeps the bytes of a registry: per model an append-only log, one
// document that is a checkpoint of it, and immutable trees of files, one a
// version. What they mean is the registry's business. Most programs use the
// folder store by [Open] and never see this interface; implement it to put a
// registry on a database or a service of your own.
//
// # The contract
//
// A model exists once something was appended to its log, or a document is
// there. Methods get names that were validated, and may be called concurrently,
// by several processes too.
//
// Different names are different models, byte for byte. Where the system beneath
// the store finds a model by other spellings than its own, as a file system
// does that ignores case or the normal forms of Unicode, the store refuses
// those with a *NameError. A model is not made while another one exists whose
// use case and name equal its own under strings.EqualFold: the commit fails
// with a *NameError, and nothing happens. Not every file system could hold a
// copy of both. Models that exist and that the store tells apart stay usable.
// Of two such models that are made at the same moment, one is made, or both are
// and stay apart.
//
// A model that has trees with a manifest, but neither a log nor a document, has
// lost both. A commit in it fails with an error that matches ErrIndexLost, and
// nothing happens: it would give out the numbers of versions again. A crash in
// a model's first commit can leave such trees, too. That is not a loss, and the
// store tells the two apart.
//
// A version that is no path segment, as names are, is none, for versions are read from what
// others may have written: OpenTree's error matches fs.ErrNotExist or fs.ErrInvalid, a
// commit's fs.ErrInvalid, and nothing happens. [StagedTree.Validate] tells.
//
// The log is a sequence of lines, none of which holds a newline or a NUL. A
// position in it is a number of the store's own. Position 0 is the start. Positions only grow, about as
// much as the bytes do: when the document is due is decided by their difference. Where they count
// the bytes of the lines, the document stands in a copy of the model in another store too.
//
// Append is the one way to change a model, and its heart. It calls decide with
// a view of the model's present bytes and makes what decide returns happen, whole or not at
// all, provided that nothing was appended since the view was taken. A store that locks calls decide
// once, under its lock; one with an atomic create-if-absent calls it again
// whenever it lost the race. When Append returns without an error, the change
// survives a power cut.
//
// Reads take no lock and see whole lines and whole trees only. A version's tree
// is complete before the lines that come with it can be read.
//
// A tree that the registry made carries a manifest.json: an object whose "files" list
// path, size, mode and SHA-256 of every other file in the tree. So a store that keeps copies
// can check them, and tells the registry's trees from others. Nothing outside the tree is
// read or written on its word. Folders without a file in them need not be kept.
//
// Errors of the underlying system are wrapped, so that errors.Is finds them.
type Store interface {
	// Models yields the names of the models, sorted. After an error it may go
	// on with the next.
	Models(ctx context.Context) iter.Seq2[ModelName, error]

	// Changed reports whether the model may have changed since the revision
	// was taken. It may err on the side of true. It is called before each
	// answer from memory, so it should cost a stat or two, or one small request.
	// A store to which a look at the document is a request of its own may pass
	// over external changes here, if it is an [ExternalChecker].
	Changed(ctx context.Context, name ModelName, since Revision) (bool, error)

	// Read calls look with a view of the model's present bytes, and returns
	// what look returns. A model that does not exist has no document and an
	// empty log.
	Read(ctx context.Context, name ModelName, look func(View) error) error

	// Append calls decide and makes its commit happen. Nothing happens if
	// decide returns an error, which is returned as it is, or a nil commit.
	// Without an error, also for a nil commit, what the view showed of the log is
	// durable: another writer may have died before it synced what it appended. An error
	// that matches ErrUncertain says that the change may have happened; after any other, it has not. The context
	// ends the waiting for the change's turn, not the change itself.
	Append(ctx context.Context, name ModelName, decide func(View) (*Commit, error)) (Appended, error)

	// Stage begins a tree in a local folder that no reader sees.
	Stage(ctx context.Context, name ModelName) (Staged, error)

	// OpenTree gives a version's tree as a local folder that stays until Close.
	// It matches fs.ErrNotExist if there is none.
	OpenTree(ctx context.Context, name ModelName, version string) (Tree, error)

	// Close ends what the store started. Calls under way may fail.
	Close() error
}

// An ExternalChecker is a [Store] whose Changed passes over external changes:
// documents that another program wrote.
type ExternalChecker interface {
	// ChangedExternally is Changed that looks at the document too. What it
	// finds there, the DocumentChanged of a later view reports.
	ChangedExternally(ctx context.Context, name ModelName, since Revision) (bool, error)
}

// A Revision is a store's own note of how much of a model was read, to be handed
// back to the same store; nil stands for nothing, and so does what is not the store's own.
type Revision = any

// A View is a look at a model's bytes, valid during the call it was handed to.
// An error that matches fs.ErrInvalid says that what is there can't be a document
// or a log, and counts as damage: it is a folder, or beyond any size that is read. Log may
// return with it what lines there are, if it was asked for all.
type View interface {
	// Document returns the document, and false if there is none.
	Document() (data []byte, ok bool, err error)

	// DocumentChanged reports whether somebody may have changed the document
	// since the revision. A store that no other program writes to may say no.
	// The view of an Append looks at the document; that of a Read of an
	// ExternalChecker may go by what was found before.
	DocumentChanged(since Revision) bool

	// Log returns the whole lines from a position on, each with its newline,
	// and the position behind them. It is an error that matches fs.ErrNotExist
	// if no line of the log ends at from: the log is not the one it was.
	Log(from int64) (lines []byte, end int64, err error)

	// Revision returns the revision that covers what the view was asked for.
	Revision() Revision
}

// A NotedView is a View of a store that notes which document a commit put in
// place last. Another program that writes the document leaves no trace of what it
// started from; the note tells. Without one the registry has to guess, and says so
// in the history.
type NotedView interface {
	View

	// Note returns the Note of the commit that last put a document in place,
	// whatever another program made of the document since. It is asked after
	// Document, and reports false if the store can't be sure: a commit may have
	// replaced the document that the view showed, or a power cut may have brought
	// an older one back.
	Note() (note string, ok bool)
}

// A TreeView is a View that tells which versions have files.
type TreeView interface {
	View

	// Tree returns what kind of tree a version has: ItemTree for one with a
	// manifest, ItemBare for one without, and no kind if it has none.
	Tree(version string) (ItemKind, error)
}

// A Commit is what Append makes happen.
type Commit struct {
	// Trees become versions. One that is there already without being named by
	// the log is the remains of a change that never happened, and is put aside
	// if it carries a manifest; without one it is somebody else's, and the commit fails with
	// an error that matches fs.ErrExist.
	Trees []StagedTree

	// Lines are appended to the log, in order, as one append. They carry no newline.
	// Without any, the commit replaces the document and nothing else.
	Lines [][]byte

	// Document returns the document that replaces the one there, given the
	// position behind the lines; nil leaves the old one. It is called after the lines
	// are safe. It replaces the old one whole or not at all, and need not survive a power cut.
	// If another program changed the document since the view was taken, that
	// document stays, and DocumentErr matches ErrOvertaken.
	Document func(end int64) []byte

	// Note returns what a store whose views are NotedViews notes of the document,
	// one short line of text. It is called after Document.
	Note func() string

	// Replaces reports whether Document may replace a document that the view
	// did not show: it may if that is another append's, and not if another
	// program wrote it. A store where one can come between the view and the
	// replacement looks for it just before the latter, and asks. If the answer
	// is no, that document stays, and DocumentErr matches ErrOvertaken. A store
	// whose appends exclude each other need not ask. Without Replaces any
	// document is replaced.
	Replaces func(there []byte) bool
}

// A StagedTree is a sealed tree of the same store, and the version that it becomes.
type StagedTree struct {
	Staged  Staged
	Version string
}

// Validate returns an error that matches ErrInvalid and gives the reason if the version
// is no path segment, or nil.
func (t StagedTree) Validate() error {
	if err := pathname.Check(t.Version); err != nil {
		return fmt.Errorf("%w version %q: %w", ErrInvalid, t.Version, err)
	}
	return nil
}

// Appended is what Append reports of a commit that happened.
type Appended struct {
	Revision Revision // covers the commit
	End      int64    // the position behind the lines

	// DocumentErr says why the document could not be replaced. The change
	// stands all the same: the document is a checkpoint, and due again. A store whose appends
	// don't wait for each other's documents says ErrOvertaken if it can't rule out that an
	// older one took the place of a newer, and any store if another program's document stays.
	DocumentErr error
}

// Staged is a tree in the making.
type Staged interface {
	// Dir is the local folder of the tree.
	Dir() string
	// Seal makes what is in Dir durable. Nothing is written there afterwards.
	Seal(ctx context.Context) error
	// Discard removes what is still there; after a commit, what the tree left
	// behind. It may be called twice. A tree that was discarded can't be committed: the
	// commit fails, and nothing happens.
	Discard() error
}

// Tree is a version's files as a local folder.
type Tree interface {
	Path() string
	Close() error
}
