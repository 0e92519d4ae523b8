// Package testhook lets tests in other modules set limits that real objects are
// too small to reach.
package testhook

// ServerCopyMax sets the size above which a *objectstore.Store copies a file
// itself instead of asking the service. Call it before the first use of the
// store.
var ServerCopyMax func(store any, bytes int64)
