package driver

import (
	"context"
	"iter"
	"time"
)

// A Usage is a [Store] that measures how much space a model takes. Without it
// the sizes of a model are not known.
type Usage interface {
	// Usage yields what a model consists of, with sizes: its log, its document,
	// the trees of versions and everything that Inspect yields. It also yields
	// trees that are being staged, but may leave out those that are in a local
	// folder only. A tree is one item.
	Usage(ctx context.Context, useCase, model string) iter.Seq2[ItemUsage, error]
}

// An ItemUsage is the size of one thing in a model. The kind of its Item can
// also be ItemLog or ItemDocument, and ItemStaging for a tree that a living
// process is staging.
type ItemUsage struct {
	Item  Item
	Files int
	Bytes int64 // the lengths of the files
	// Newest is when a file was written last; zero if the store can't tell.
	Newest time.Time
}
