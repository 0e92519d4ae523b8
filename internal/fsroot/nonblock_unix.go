//go:build unix

package fsroot

import "syscall"

// nonBlock makes an open return at once where it would otherwise wait for
// another process.
const nonBlock = syscall.O_NONBLOCK
