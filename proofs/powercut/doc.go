// Package powercut cuts the power of a file system while processes write to a
// store on it, and checks what is there when it is mounted again. All of it is
// tests; they need root, a loop device, mkfs.ext4 and mkfs.xfs.
//
// The cut is the file systems' own shutdown: from one moment on nothing more
// reaches the disk, and what was only in memory is gone. What the disk itself
// may lose of what it took and was not told to flush, this does not show.
package powercut
