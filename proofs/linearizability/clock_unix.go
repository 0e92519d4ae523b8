//go:build unix

package linearizability

import "golang.org/x/sys/unix"

// commonClock: CLOCK_MONOTONIC counts from the machine's start, for every process alike, and
// no process sees it earlier than another saw it before: on x86 and arm64 the processors' counters are
// synchronized, else the kernel uses a source that is.
const commonClock = true

// now returns nanoseconds.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
