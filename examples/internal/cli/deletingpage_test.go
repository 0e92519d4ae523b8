package cli

import "testing"

// The commands of the page about deletion run as they are written.
func TestDeletingPageRuns(t *testing.T) {
	wantOutput(t, runPage(t, "deleting.md", 5),
		"fraud/Risk@1.0.0: listed again\n", "fraud/Risk@1.0.3: held\n", "  1.0.2        keep       it is in production",
		"  1.0.4        deleted    -\n", "  1.0.0  ", " removed\n")
}
