//go:build !unix

package linearizability

import "time"

// commonClock: Go's monotonic clock counts from the start of each process, so only one
// process at a time can be checked.
const commonClock = false

var started = time.Now()

// now returns nanoseconds.
func now() int64 { return int64(time.Since(started)) }
