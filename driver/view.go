package driver

import "io"

// A Revision is a store's own note of how much of a model was read. The
// registry passes it back to the same store. A nil revision means that nothing
// was read. A value that the store did not make means the same.
type Revision = any

// A View shows a model's bytes. It is valid during the call that it was passed
// to.
//
// An error that matches fs.ErrInvalid counts as damage. It says that there is a
// folder in the place of the document or the log, or a file that is too large
// to be read. If the whole log was asked for, Log may return the lines that can
// be read together with such an error.
type View interface {
	// Document returns the document, and false if there is none.
	Document() (data []byte, ok bool, err error)

	// DocumentChanged reports whether another program may have changed the
	// document since the revision. A store that no other program writes to may
	// return false. The view of an Append checks the document itself. The view
	// of a Read of an ExternalChecker may rely on what was found before.
	DocumentChanged(since Revision) bool

	// Log returns the whole lines from a position on, each with its newline,
	// and the position after them. The error matches fs.ErrNotExist if no line
	// of the log ends at from, because then the log was replaced.
	Log(from int64) (lines []byte, end int64, err error)

	// Revision returns the revision that covers what the view was asked for.
	Revision() Revision
}

// A PartView is a [View] whose document can be read in parts. With it, a
// registry that follows a model does not hold a second copy of a large document
// while it checks the document's checksum. Without it the registry calls
// Document.
type PartView interface {
	View

	// OpenDocument opens the document, and returns it and its size. It returns
	// nil if there is no document, or if the registry must call Document. All
	// parts are of one document, unless another program writes it in place.
	OpenDocument() (parts DocumentParts, size int64, err error)
}

// DocumentParts is a document that is open.
type DocumentParts interface {
	io.ReaderAt
	io.Closer
}

// A NotedView is a [View] of a store that notes which document a commit put in
// place last. If another program writes the document, the note says which
// document that program started from. Without notes the registry has to guess,
// and says so in the history.
type NotedView interface {
	View

	// Note returns the Note of the commit that last put a document in place,
	// whatever another program made of the document since. The registry calls
	// it after Document. It reports false if the store is not sure: a commit
	// may have replaced the document that the view showed, or a power cut may
	// have brought an older document back.
	Note() (note string, ok bool)
}

// A TreeView is a [View] that knows which versions have files. Without it the
// registry keeps a version that another program removed from the document.
type TreeView interface {
	View

	// Tree returns what kind of tree a version has: ItemTree for a tree with a
	// manifest, ItemBare for a tree without one, and no kind if there is no
	// tree.
	Tree(version string) (ItemKind, error)
}

// A BackwardLog is a [View] whose log can be read from its end. It is for the
// newest lines of a long log. Without it they are read by Log, from the start.
type BackwardLog interface {
	View

	// LogEnd returns the position after the last line.
	LogEnd() (end int64, err error)

	// LogBefore returns the whole lines that end at a position, each with its
	// newline, and the position where they start: as many as fit into size
	// bytes, and at least one. At position 0 there are none. The error matches
	// fs.ErrNotExist if no line of the log ends at end.
	LogBefore(end int64, size int) (lines []byte, start int64, err error)
}
