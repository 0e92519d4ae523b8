package driver

import (
	"context"
	"iter"
)

// A Usage is a [Store] that measures what a model takes up. Without it the
// sizes of a model are not known.
type Usage interface {
	// Usage yields what a model takes up: its log, its document, the trees of
	// versions and everything that Inspect yields. It also yields trees that
	// are being staged, but may leave out those that are in a local folder
	// only. A tree is one item.
	Usage(ctx context.Context, useCase, model string) iter.Seq2[ItemUsage, error]
}

// An ItemUsage is what one thing in a model takes up. The kind of its Item can
// also be ItemLog or ItemDocument, and ItemStaging for a tree that a living
// process is staging.
type ItemUsage struct {
	Item  Item
	Files int
	Bytes int64 // the lengths of the files
}
