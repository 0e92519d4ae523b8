package modelregistry

import (
	"github.com/ubunye-go/modelregistry/driver"
	"github.com/ubunye-go/modelregistry/internal/fsstore"
	"github.com/ubunye-go/modelregistry/internal/pathname"
)

// A Store keeps the bytes of a registry. Most programs use the folder store by
// [Open] and never see it. To write one, see package driver, which has its
// contract.
type Store = driver.Store

// NewFolderStore returns the store that [Open] puts a registry on, for programs
// that wrap it before [New]. It refuses the names that Open refuses.
func NewFolderStore(dir string) (Store, error) {
	s, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openFolder(dir string) (*fsstore.Store, error) {
	if err := checkStore(dir); err != nil {
		return nil, err
	}
	return fsstore.Open(dir)
}

// checkStore refuses a name that is not a folder's, and says what to use
// instead.
func checkStore(dir string) error {
	err := pathname.CheckFolder(dir)
	switch {
	case err == nil:
		return nil
	case dir == "" || dir[0] == '~':
		return invalid("store %q: %v", dir, err)
	}
	return invalid("store %q: %v; for one in a bucket, give what objectstore.Open returns to modelregistry.New", dir, err)
}
