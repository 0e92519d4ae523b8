//go:build !linux

package mounts

// Of finds no mount: this package can list the mounts of Linux only.
func Of(folder string, device uint64) (Mount, bool) { return Mount{}, false }
