//go:build !unix

package fsroot

// nonBlock is nothing here: Windows has no named pipes among its files.
const nonBlock = 0
