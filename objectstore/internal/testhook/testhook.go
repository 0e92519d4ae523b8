// Package testhook lets tests in other modules reach what is too large to be
// tried as it is.
package testhook

// ServerCopyMax sets the size above which a *objectstore.Store no longer has
// the service copy a file, before anybody uses the store.
var ServerCopyMax func(store any, bytes int64)
