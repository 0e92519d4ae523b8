// Package volume gives tests file systems of their own: each in an image file,
// mounted on a temporary folder. It knows how they are made, mounted, shut down
// and checked, and nothing of what is written to them. It needs Linux and root.
package volume
