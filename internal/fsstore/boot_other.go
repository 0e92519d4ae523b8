//go:build !linux && !darwin && !windows

package fsstore

import "time"

// readBoot returns no name: no way is known on these systems.
func readBoot() string { return "" }

// readBootTime returns no time: no way is known on these systems.
func readBootTime() time.Time { return time.Time{} }

func sameBoot(a, b string) bool { return false }
