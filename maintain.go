package modelregistry

import (
	"context"
	"iter"
)

// An Inspector is a Store that can tell what lies in it beside the models.
// Verify sees more of such a store.
type Inspector interface {
	// Places yields every model of which anything is there, be it only what a
	// crash or a loss left. They are sorted.
	Places(ctx context.Context) iter.Seq2[ModelName, error]

	// Inspect yields what lies in a model beside its log and document. It changes
	// nothing. What a change under way looks like is for the caller to tell: within
	// Append or Replace of a store that locks there is none.
	Inspect(ctx context.Context, name ModelName) iter.Seq2[Item, error]
}

// A Maintainer is an Inspector that can be mended by force: only such a store
// can be repaired. The folder store is one.
type Maintainer interface {
	Inspector

	// Replace puts a log and a document in place of those there, in that order,
	// as decide says when it is the model's turn, so that what stands at any instant can
	// be read. It keeps what it replaces and returns where. A nil replacement changes nothing.
	// If another program changed the document since decide, that document stays,
	// and the error matches ErrConflict.
	Replace(ctx context.Context, name ModelName, decide func(View) (*Replacement, error)) (kept []string, err error)
}

// A Replacement is what Replace puts in place; nil leaves what is there.
type Replacement struct {
	Log      []byte
	Document []byte
	Note     string   // of the document, as Commit.Note returns it
	Aside    []string // versions whose trees are put aside
	Remove   []Item   // what is removed, if it is still what it was
}

// An Item is one thing in a model beside its log and document.
type Item struct {
	Kind    ItemKind
	Path    string // relative to the store
	Version string // of a tree
}

// An ItemKind says what an Item is.
type ItemKind string

// The kinds.
const (
	ItemTree    ItemKind = "tree"    // a version's tree with a manifest of ours
	ItemBare    ItemKind = "bare"    // a version's tree without one: another program's
	ItemStaging ItemKind = "staging" // what a dead process was making
	ItemOrphan  ItemKind = "orphan"  // a tree that was put aside
	ItemBegun   ItemKind = "begun"   // a log without a line: a first change that did not happen; trees beside it are its remains
	ItemTorn    ItemKind = "torn"    // an append that never finished
	ItemTemp    ItemKind = "temp"    // a file that never took its place
	ItemKept    ItemKind = "kept"    // what a repair replaced
	ItemStrange ItemKind = "strange" // not the store's, where only its own should be
)

// removable reports whether a thing is nobody's any more.
func (k ItemKind) removable() bool { return k == ItemStaging || k == ItemTorn || k == ItemTemp }
