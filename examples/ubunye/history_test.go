package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ubunye-go/modelregistry"
)

// A line of the table names a limited number of versions, and says how many
// more there are.
func TestEventChanges(t *testing.T) {
	for n, want := range map[int]string{
		0: "-", 1: "1.0.0: edited", maxChanges: "1.0.9: edited", maxChanges + 1: "1.0.9: edited, … and 1 more", 1007: "1.0.9: edited, … and 997 more",
	} {
		var e modelregistry.Event
		for i := range n {
			e.Changes = append(e.Changes, modelregistry.Change{Version: fmt.Sprintf("1.0.%d", i), From: modelregistry.Staging, To: modelregistry.Staging})
		}
		if got := eventChanges(e); !strings.HasSuffix(got, want) || strings.Count(got, "edited") != min(n, maxChanges) {
			t.Errorf("%d changes: %s", n, got)
		}
	}
}
