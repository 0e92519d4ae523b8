//go:build unix

package crash

import (
	"testing"

	"github.com/ubunye-go/modelregistry/internal/storetest"
)

// The fixture of these tests: one model, and what is done with it.
var (
	fraud       = storetest.Fraud
	artifact    = storetest.Artifact
	ticker      = storetest.Ticker
	modelPath   = storetest.Path
	register    = storetest.Register
	promote     = storetest.Promote
	writeFile   = storetest.WriteFile
	threeStages = storetest.ThreeStages
	wantStages  = storetest.WantStages
)

// three makes the store of storetest.Three.
func three(t testing.TB) (dir string) {
	t.Helper()
	return storetest.Three(t, openStore)
}
