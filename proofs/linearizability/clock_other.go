//go:build !unix

package linearizability

import "time"

// commonClock is false: Go's monotonic clock starts with each process, so only
// the calls of one process can be checked.
const commonClock = false

var started = time.Now()

// now returns nanoseconds since the process started.
func now() int64 { return int64(time.Since(started)) }
