package gate

import (
	"context"
	"fmt"
)

// driftCheckName is the name of the gate without a metric. driftPassed is the
// key in the metadata that it reads. The format defines both.
const (
	driftCheckName = "require_drift_check"
	driftPassed    = "drift_check_passed"
)

// A driftCheck requires driftPassed to be true in the metadata.
type driftCheck struct{}

// DriftCheck returns the gate that requires a passed drift check.
func DriftCheck() Set { return Set{[]rule{{driftCheckName, driftCheck{}}}} }

func (driftCheck) value() []byte { return []byte("true") }

func (driftCheck) evaluate(_ context.Context, c Candidate) Result {
	actual, found := c.Metadata.Get(driftPassed)
	res := Result{Actual: actual, Threshold: true, Passed: actual == true}
	switch {
	case res.Passed:
		res.Message = "drift check passed"
	case !found:
		res.Message = "metadata has no " + driftPassed
	default:
		res.Message = fmt.Sprintf("metadata's %s is %s, not true", driftPassed, asJSON(actual))
	}
	return res
}
