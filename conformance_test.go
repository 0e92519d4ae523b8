package modelregistry_test

import (
	"testing"

	mr "github.com/ubunye-go/modelregistry"
	"github.com/ubunye-go/modelregistry/registrytest"
)

func TestFolderStoreConforms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	registrytest.TestStore(t, func() (mr.Store, error) { return mr.NewFolderStore(dir) }, nil)
}
