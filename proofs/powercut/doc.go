// Package powercut cuts the power of a file system while processes write to a
// store on it, and checks the store after the file system is mounted again. The
// package consists of tests. They need root, a loop device, mkfs.ext4 and
// mkfs.xfs.
//
// The cut is the shutdown that the file systems offer. From then on nothing
// reaches the disk, and data that was only in memory is lost. The tests do not
// show what the disk itself loses of data that it received and was not asked to
// flush.
package powercut
