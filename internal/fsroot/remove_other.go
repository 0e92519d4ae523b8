//go:build !windows

package fsroot

import "os"

// Remove is root.Remove.
func Remove(root *os.Root, name string) error { return root.Remove(name) }

// RemoveAll is root.RemoveAll.
func RemoveAll(root *os.Root, name string) error { return root.RemoveAll(name) }
