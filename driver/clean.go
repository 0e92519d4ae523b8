package driver

import (
	"context"
	"time"
)

// A Cleaner is a [Store] that removes what failed registrations left. Without
// it, these files stay.
type Cleaner interface {
	// Clean returns the trees that are no version's and never will be: those
	// that a process was making when it died (ItemStaging), and those that were
	// put aside at least olderThan ago (ItemOrphan). With remove, it also
	// removes them. After a crash or an error the caller calls Clean again.
	//
	// Clean must not touch a tree that a living process is making. A store that
	// can't tell treats a process as dead after a day.
	Clean(ctx context.Context, useCase, model string, olderThan time.Duration, remove bool) ([]Remains, error)
}

// Remains are the files of a tree that Clean found.
type Remains struct {
	ItemUsage
	Removed bool // the files are gone
}
