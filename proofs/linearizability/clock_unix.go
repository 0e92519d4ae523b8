//go:build unix

package linearizability

import "golang.org/x/sys/unix"

// commonClock is true: CLOCK_MONOTONIC counts from the start of the machine,
// for all processes. It never goes back, from one process to another either. On
// x86 and arm64 the counters of the processors are synchronized; elsewhere the
// kernel uses another clock source that is.
const commonClock = true

// now returns nanoseconds since the machine started.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
