package cli

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

// A change that leaves several versions in production says so, even if it only
// edited the entry.
func TestChangeBesideAnother(t *testing.T) {
	production, archived := modelregistry.Production, modelregistry.Archived
	for want, c := range map[string]modelregistry.Change{
		"1.0.0: archived → production beside 1.0.1":           {From: archived, To: production, Beside: []string{"1.0.1"}},
		"1.0.0: edited, in production beside 1.0.1 and 1.0.2": {From: production, To: production, Beside: []string{"1.0.1", "1.0.2"}},
	} {
		if c.Version = "1.0.0"; changeText(c) != want {
			t.Errorf("%+v: %s, want %s", c, changeText(c), want)
		}
	}
}
