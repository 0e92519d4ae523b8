//go:build unix && !linux

package fsroot

import "syscall"

// openFlags makes an open return at once where it would otherwise wait for
// another process.
const openFlags = syscall.O_NONBLOCK
