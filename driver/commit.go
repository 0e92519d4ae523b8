package driver

import "io"

// A Commit is the change that Append makes.
type Commit struct {
	// Trees become versions. If a tree is already in the place of one, and the
	// log does not name it, it is the remains of a change that did not happen.
	// It is put aside if it has a manifest. Without a manifest it belongs to
	// another program, and the commit fails with an *OccupiedError, which
	// matches fs.ErrExist.
	Trees []StagedTree

	// Lines are appended to the log, in order, as one append. They contain no
	// newline. A commit without lines replaces the document and nothing else.
	Lines [][]byte

	// Checkpoint replaces the document. Nil leaves the document as it is.
	Checkpoint *Checkpoint
}

// A Checkpoint is the document of a commit. The document is replaced whole or
// not at all, and need not survive a power cut.
type Checkpoint struct {
	// Make returns the document, and the note that a store with NotedViews
	// keeps about it: one short line of text. It is called after the lines are
	// safe, with the position after them. WriteTo writes the document in chunks
	// and reuses their bytes; it is called once at most. If another program
	// changed the document since the view was taken, that document stays, and
	// DocumentErr matches ErrOvertaken.
	Make func(end int64) (document io.WriterTo, note string)

	// Replaces reports whether the document may replace a document that the
	// view did not show. It may if another append wrote that document, and it
	// may not if another program did. In some stores a document can appear
	// between the view and the replacement. Such a store reads the document
	// just before it replaces it, and calls Replaces. If the answer is no, that
	// document stays, and DocumentErr matches ErrOvertaken. A store whose
	// appends exclude each other need not call it. Without Replaces any
	// document is replaced.
	Replaces func(there []byte) bool
}

// An AppendResult is what Append reports about a commit that happened.
type AppendResult struct {
	Revision Revision // covers the commit
	End      int64    // the position after the lines

	// DocumentErr says why the document could not be replaced. The change
	// stands: the document is only a checkpoint, and the registry writes it
	// later. DocumentErr matches ErrOvertaken if another program's document
	// stays. If appends do not wait for each other's documents, it also matches
	// ErrOvertaken when an older document may have replaced a newer one. It
	// matches ErrInUse if another attempt may soon succeed.
	DocumentErr error
}
