package driver

import (
	"context"
	"iter"
)

// An Inspector is a [Store] that lists the files and folders besides logs and
// documents. Without it, Verify checks only what logs and documents name.
type Inspector interface {
	// Places yields every model of which anything exists, sorted. Remains of a
	// crash or of a loss count, too.
	Places(ctx context.Context) iter.Seq2[Name, error]

	// Inspect yields what a model holds besides its log and document. It
	// changes nothing. A change that is under way can look like the remains of
	// one that failed. In a store with a lock, no change is under way inside
	// the functions of Append and Replace.
	Inspect(ctx context.Context, useCase, model string) iter.Seq2[Item, error]
}

// A Maintainer is an [Inspector] that can replace a model's files. Without it,
// Repair is not possible.
type Maintainer interface {
	Inspector

	// Replace calls decide when it is the model's turn. It then puts a log and
	// a document in place, in that order, so that the model can be read at any
	// instant. It keeps the files that it replaces, and returns their paths. A
	// nil replacement changes nothing. If another program changed the document
	// after decide was called, that document stays, and the error matches
	// ErrConflict.
	Replace(ctx context.Context, useCase, model string, decide func(View) (*Replacement, error)) (kept []string, err error)
}

// A Replacement is what Replace puts in place. A nil field leaves the old file.
type Replacement struct {
	Log      []byte
	Document []byte
	Note     string   // about the document, as Checkpoint.Make returns it
	Aside    []string // versions whose trees are put aside
	Remove   []Item   // removed, unless it changed since it was listed
}

// An Item is one thing in a model besides its log and document.
type Item struct {
	Kind    ItemKind
	Path    string // relative to the store
	Version string // the version, if the item is a tree
	Text    string // the text of an ItemMachines
}

// An ItemKind says what an Item is.
type ItemKind string

// The kinds.
const (
	ItemTree    ItemKind = "tree"    // a version's tree with a registry's manifest
	ItemBare    ItemKind = "bare"    // a version's tree without one: another program's
	ItemStaging ItemKind = "staging" // a tree that a process was making when it died
	ItemOrphan  ItemKind = "orphan"  // a tree that was put aside
	ItemBegun   ItemKind = "begun"   // a log without a line: a first change that did not happen; trees beside it are its remains
	ItemTorn    ItemKind = "torn"    // an append that was not completed
	ItemTemp    ItemKind = "temp"    // a temporary file that was not renamed into its place
	ItemKept    ItemKind = "kept"    // a file that a repair replaced
	ItemClosed  ItemKind = "closed"  // a file or folder that lacks rights which the folder around it gives to other users
	// ItemMachines is the record that a second machine wrote to the model while
	// the first one was running, in a store that several machines may mount.
	ItemMachines ItemKind = "machines"
	ItemStrange  ItemKind = "strange" // not the store's, in a place for the store's own files

	// The kinds that only Usage yields.
	ItemLog      ItemKind = "log"
	ItemDocument ItemKind = "document"
)
