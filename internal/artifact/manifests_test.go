package artifact

import (
	"fmt"
	"testing"
)

// The number of kept manifests is bounded, however many files they list.
func TestKnownManifestsAreBounded(t *testing.T) {
	t.Parallel()
	many := make([]int, 10_000)
	for want, sizes := range map[int][]int{
		0:            {10_000},
		12:           {10, 10_000, 0},
		4096:         {4095},
		1001:         {2000, 2000, 1000},
		10000 % 4096: many,
	} {
		if got := knownFiles(sizes...); got != want {
			t.Errorf("after %d manifests, %d files are kept, want %d", len(sizes), got, want)
		}
	}
}

// knownFiles keeps manifests of so many files each. It returns how many files
// the manifests list that are still kept, the manifests included.
func knownFiles(sizes ...int) (known int) {
	var k Manifests
	for i, n := range sizes {
		k.keep(fmt.Sprint(i), &manifest{Files: make([]manifestEntry, n)})
	}
	for _, m := range k.known {
		known += len(m.Files) + 1
	}
	return known
}
