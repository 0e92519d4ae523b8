package fsroot

import "syscall"

// openFlags makes an open return at once where it would otherwise wait for
// another process. On systems of 32 bits it also permits files above 2 GB, as
// os.OpenFile does. os.Root does not.
const openFlags = syscall.O_NONBLOCK | syscall.O_LARGEFILE
