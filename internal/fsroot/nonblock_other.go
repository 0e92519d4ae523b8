//go:build !unix

package fsroot

// nonBlock is 0, because Windows has no named pipes among its files.
const nonBlock = 0
