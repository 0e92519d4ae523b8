//go:build !linux && !darwin && !windows

package fsstore

// readBoot returns no name: no way is known on these systems.
func readBoot() string { return "" }

func sameBoot(a, b string) bool { return false }
