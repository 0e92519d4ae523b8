package fsstore

import (
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

var getTickCount64 = syscall.NewLazyDLL("kernel32.dll").NewProc("GetTickCount64")

// readBoot returns the second in which the system was started, by the clock.
// Windows has no name for a boot.
func readBoot() string {
	if getTickCount64.Find() != nil {
		return ""
	}
	low, high, _ := getTickCount64.Call()
	up := uint64(low)
	if unsafe.Sizeof(low) == 4 {
		up |= uint64(high) << 32
	}
	return strconv.FormatInt(time.Now().Add(-time.Duration(up)*time.Millisecond).Unix(), 10)
}

// readBootTime returns no time. A clock that is set also changes the name of a
// boot, so that two names do not show two machines.
func readBootTime() time.Time { return time.Time{} }

// sameBoot allows for the clock to be adjusted a little: no system starts twice
// within five seconds. If the clock is set by more, the boot counts as another
// one, which is safe.
func sameBoot(a, b string) bool {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	return errX == nil && errY == nil && x-y < 5 && y-x < 5
}
