package modelregistry_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each requirement of an embedded library becomes a requirement of its users.
func TestThreeRequirements(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, m := range regexp.MustCompile(`(?m)^\t?(?:require )?(\S+) v\S+$`).FindAllSubmatch(mod, -1) {
		direct = append(direct, string(m[1]))
	}
	want := []string{"github.com/Masterminds/semver/v3", "github.com/gofrs/flock", "github.com/google/go-cmp"}
	if diff := cmp.Diff(want, direct); diff != "" {
		t.Errorf("direct requirements of the root module (-want +got):\n%s", diff)
	}
}
