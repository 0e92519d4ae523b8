package fsstore

import "syscall"

// readBoot reads the random number that the kernel gives each boot.
func readBoot() string {
	id, err := syscall.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

func sameBoot(a, b string) bool { return a == b }
