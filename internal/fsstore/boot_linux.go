package fsstore

import (
	"os"
	"strings"
	"syscall"
	"time"
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

// readBootTime subtracts the time that the system runs, sleep included, from
// the clock.
func readBootTime() time.Time {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(info.Uptime) * time.Second)
}

func sameBoot(a, b string) bool { return a == b }
