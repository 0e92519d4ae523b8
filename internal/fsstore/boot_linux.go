package fsstore

import (
	"os"
	"strings"
)

// readBoot reads the random number that the kernel gives each boot. Containers
// of one kernel read the same.
func readBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

func sameBoot(a, b string) bool { return a == b }
