package fsstore

import (
	"syscall"
	"time"
)

// readBoot reads the random number that the kernel gives each boot.
func readBoot() string {
	id, err := syscall.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

// readBootTime returns no time. The system reports one, but no test has seen
// it.
func readBootTime() time.Time { return time.Time{} }

func sameBoot(a, b string) bool { return a == b }
