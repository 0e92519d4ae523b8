// Package volume makes file systems for tests, each in an image file that is
// mounted on a temporary folder. It can make, mount, shut down and check them.
// It does not know what is written to them. It needs Linux and root.
package volume
