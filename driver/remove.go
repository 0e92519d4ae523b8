package driver

import "context"

// A Remover is a [Store] that can remove the trees of versions. Without it they
// are kept.
type Remover interface {
	// RemoveTrees calls decide with a view of the model's present bytes, and
	// removes the trees of the versions that decide returns, durably. It
	// returns the versions whose trees it removed, also with an error. A
	// version without a tree is not among them. If decide returns an error,
	// RemoveTrees returns that error, and nothing happens.
	//
	// A store need not hold back appends between decide and the removal. So the
	// caller first appends lines that give the trees up for good, and decide
	// relies on those lines. After a crash or an error the caller calls
	// RemoveTrees again.
	//
	// Until the tree is removed a reader sees all of it, or gets an error. A
	// reader that opened the tree before may lose its files, or may open a
	// local copy of it again.
	RemoveTrees(ctx context.Context, useCase, model string, decide func(View) (versions []string, err error)) (removed []string, err error)
}
