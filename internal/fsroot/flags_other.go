//go:build !unix

package fsroot

// openFlags is 0, because Windows has no named pipes among its files.
const openFlags = 0
