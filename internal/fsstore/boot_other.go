//go:build !linux && !darwin && !windows

package fsstore

// readBoot tells nothing: there is no way that is tried on these systems.
func readBoot() string { return "" }

func sameBoot(a, b string) bool { return false }
